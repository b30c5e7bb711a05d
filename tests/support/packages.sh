# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# The Debian packages each task needs, and nothing else installs any.

# shellcheck disable=SC2034  # read by name in need_packages
{
    packages_build=(gcc libc6-dev meson ninja-build pkg-config libdpdk-dev liburing-dev libxxhash-dev
        libyaml-dev nettle-dev libseccomp-dev libcmocka-dev libjansson-dev libpcre2-dev python3)
    packages_run=(iproute2 ethtool curl nftables)
    packages_test=(clang clang-format libclang-rt-14-dev llvm-14 shellcheck wrk apache2-utils iputils-ping gdb
        valgrind python3-jsonschema python3-requests python3-h11 nghttp2-client)
    packages_fuzz=(clang libclang-rt-14-dev llvm-14)
    packages_bench=(wrk valgrind)
    packages_stages=(linux-perf binutils)
    packages_peers=(wrk nginx h2o haproxy varnish redis-server redis-tools memcached fio)
    packages_lint=(clang clang-format shellcheck)
}

is_installed() { dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null | grep -q '^installed$'; }

# need_packages SET...: installs what is missing of packages_SET, and says so.
need_packages()
{
    local set missing=() package
    for set in "$@"; do
        local -n wanted=packages_$set
        for package in "${wanted[@]}"; do
            is_installed "$package" || missing+=("$package")
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


# need_packages for sets that bring services: none of them starts, now or at the next boot. A subshell, so that
# the trap puts things back whatever happens.
need_packages_without_services()
(
    local set package new=() policy=/usr/sbin/policy-rc.d
    for set in "$@"; do
        local -n wanted=packages_$set
        for package in "${wanted[@]}"; do
            is_installed "$package" || new+=("$package")
        done
    done
    if [ ${#new[@]} -gt 0 ] && [ "$(id -u)" -eq 0 ] && [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy" # "action forbidden", see invoke-rc.d(8)
        chmod 755 "$policy"
    fi
    need_packages "$@"
    for package in "${new[@]}"; do
        systemctl disable --quiet "$package.service" 2>/dev/null || true
    done
)
