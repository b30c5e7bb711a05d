# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# The Debian packages each task needs, and nothing else installs any.

# shellcheck disable=SC2034  # read by name in need_packages
{
    packages_build=(gcc libc6-dev meson ninja-build pkg-config libdpdk-dev liburing-dev libxxhash-dev
        libyaml-dev libseccomp-dev libcmocka-dev libjansson-dev python3)
    packages_run=(iproute2 ethtool curl)
    packages_test=(clang clang-format libclang-rt-14-dev llvm-14 shellcheck wrk apache2-utils nftables
        iputils-ping gdb valgrind)
    packages_fuzz=(clang libclang-rt-14-dev llvm-14)
    packages_bench=(wrk valgrind)
    packages_lint=(clang clang-format shellcheck)
}

# need_packages SET...: installs what is missing of packages_SET, and says so.
need_packages()
{
    local set missing=() package
    for set in "$@"; do
        local -n wanted=packages_$set
        for package in "${wanted[@]}"; do
            if ! dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -q '^installed$'; then
                missing+=("$package")
            fi
        done
    done
    if [ ${#missing[@]} -eq 0 ]; then
        return 0
    fi
    if [ "$(id -u)" -ne 0 ]; then
        die "missing packages; as root: apt-get install -y --no-install-recommends ${missing[*]}"
    fi
    say "installing with apt-get: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    mkdir -p var/log
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}"; } \
        >var/log/apt.log 2>&1 || { tail -20 var/log/apt.log >&2; die "apt-get failed, see var/log/apt.log"; }
}
