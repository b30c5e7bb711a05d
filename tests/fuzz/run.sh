#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# tests/fuzz/run.sh [NAME [SECONDS]]: builds the fuzz targets with clang in build-sanitizers and runs NAME
# (fuzz_http_parser or http_parser), or "all", which is the default, for SECONDS each (30), as many at a time
# as there are cores. Ends with 1 when a target found something; its input is kept in
# build-sanitizers/crashes/NAME/, and every later run tries it again first. What one run learns is kept in
# build-sanitizers/corpus/NAME/ for the next.
set -euo pipefail
cd "$(dirname "$0")/../.."
wanted=${1:-all}
seconds=${2:-30}
build=build-sanitizers

if ! [[ $seconds =~ ^[1-9][0-9]*$ ]]; then
    echo "usage: tests/fuzz/run.sh [NAME|all [SECONDS]]" >&2
    exit 2
fi
if [ ! -f $build/build.ninja ]; then
    # as `./dev test` does, whose tests run from the same folder
    CC=clang meson setup $build -Dfuzzers=true -Dsanitize=address -Dhot_asserts=true -Doptimization=1 \
        -Dc_args=-g1 >/dev/null
fi
ninja -C $build fuzzers >/dev/null || { ninja -C $build fuzzers | tail -40; exit 1; }

targets=()
for source in tests/fuzz/fuzz_*.c; do
    name=$(basename "$source" .c)
    case $wanted in
    all | "$name" | "${name#fuzz_}") targets+=("$name") ;;
    esac
done
if [ ${#targets[@]} -eq 0 ]; then
    echo "no fuzz target named $wanted; there are:" tests/fuzz/fuzz_*.c >&2
    exit 2
fi

# One target; what it prints comes at once, since as many run at the same time as there are cores.
run_target()
{
    local name=$1 crasher log=$build/crashes/$1.log failed=0
    local -a seeds=() run=("$build/tests/fuzz/$name" -artifact_prefix="$build/crashes/$name/" -timeout=10
        -rss_limit_mb=2048)
    mkdir -p "$build/corpus/$name" "$build/crashes/$name"
    if [ -d "tests/fuzz/corpus/$name" ]; then
        seeds+=("tests/fuzz/corpus/$name")
    fi
    for crasher in "$build/crashes/$name"/*; do
        if [ -f "$crasher" ] && ! "${run[@]}" "$crasher" >"$log" 2>&1; then
            echo "$name: still fails on $crasher"
            failed=1
        fi
    done
    if "${run[@]}" -max_total_time="$seconds" -max_len=4096 -print_final_stats=1 \
        "$build/corpus/$name" "${seeds[@]}" >"$log" 2>&1; then
        echo "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs, nothing found"
    else
        printf '%s\n%s: FAILED, input in %s, log in %s\n' \
            "$(tail -40 "$log")" "$name" "$build/crashes/$name/" "$log"
        failed=1
    fi
    return $failed
}

export build seconds
export -f run_target
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I NAME bash -c 'set -euo pipefail; run_target NAME' || exit 1
