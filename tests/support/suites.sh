# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What `./dev test` runs, in order. Sourced by ./dev.
#
# Each suite prints one line with its time. The last line is "N passed, N failed". All of it should end within 15
# minutes on two cores and takes about 24, a third of it compiling; each suite has a limit in seconds. --long lifts
# it and deepens what is seeded.

passed=0
failed=0
limit_factor=1

# How deep the seeded tests go. Whoever sets one of these before keeps it. `-`: as each test says itself.
set_depth()
{
    local -A depths=(
        [GANNET_SEEDS]='- 500000'
        [GANNET_CRASHES]='- 1000000'
        [GANNET_FAULT_STEP]='- 1'
        [GANNET_OPERATIONS]='- 50000000'
        [GANNET_API_OPERATIONS]='- 1000000'
        [GANNET_WALK_KEYS]='- 1000000'
        [GANNET_KILL_ROUNDS]='20 2000'
        [GANNET_DISK_FULL_ROUNDS]='1 200'
        [GANNET_FUZZ_SECONDS]='5 1800'
        [GANNET_SYSTEM_SECONDS]='1 60'
        [GANNET_GOODPUT_MIB]='- 100'
        [GANNET_GOODPUT_ROUNDS]='- 9'
    )
    local name ci long
    for name in "${!depths[@]}"; do
        read -r ci long <<<"${depths[$name]}"
        if [ "$1" = --long ]; then
            export "$name=${!name:-$long}"
        elif [ "$ci" != - ]; then
            export "$name=${!name:-$ci}"
        fi
    done
}

# Of a log: what did not pass, with the lines around it, and the end.
print_failures()
{
    grep -E -v '^ok |^ *[0-9]+/[0-9]+ .*OK' "$1" |
        grep -E -B 25 -A 12 '^FAILED|: FAILED|^not ok|\[  FAILED|^ *[0-9]+/[0-9]+ .*(FAIL|TIMEOUT|ERROR)' |
        head -200 || true
    echo ...
    tail -5 "$1"
}

# suite NAME SECONDS RESULT_FILE COMMAND...: runs it, adds up what RESULT_FILE says, prints one line.
suite()
{
    local name=$1 seconds=$(($2 * limit_factor)) result=$3 started=$SECONDS status=0 good bad log
    shift 3
    mkdir -p var/test
    log=var/test/$name.log
    rm -f "$result"
    timeout --kill-after=20 "$seconds" "$@" >"$log" 2>&1 || status=$?
    [ -f "$result" ] || result=$log
    read -r good bad < <(tests/support/suite_result.py "$result")
    # A runner that ends badly, or runs nothing at all, is a failure whatever it printed.
    if [ "$bad" -eq 0 ] && { [ "$status" -ne 0 ] || [ "$good" -eq 0 ]; }; then
        bad=1
    fi
    passed=$((passed + good))
    failed=$((failed + bad))
    printf '%-14s %5d passed %3d failed %4d s\n' "$name" "$good" "$bad" $((SECONDS - started))
    if [ "$bad" -ne 0 ]; then
        [ "$status" -ne 124 ] || echo "    stopped after its limit of $seconds s"
        print_failures "$log" | sed 's/^/    /'
        echo "    all of it: $log"
    fi
}

# meson_suite NAME FOLDER SECONDS ARGUMENT...: the tests of one build folder.
meson_suite()
{
    local name=$1 folder=$2 seconds=$3
    shift 3
    suite "$name" "$seconds" "$folder/meson-logs/testlog.json" \
        meson test -C "$folder" --no-rebuild --print-errorlogs --timeout-multiplier "$limit_factor" "$@"
}

# build_suite NAME FOLDER COMPILER OPTION...: everything; a build that fails is one failed test.
build_suite()
{
    local name=$1
    shift
    build_step "$name" "$1" need_build "$@"
}

build_step()
{
    local name=$1 folder=$2 started=$SECONDS
    shift 2
    if "$@" 2>var/log/"$folder".errors; then
        printf '%-14s     built             %4d s\n' "$name" $((SECONDS - started))
        return 0
    fi
    failed=$((failed + 1))
    printf '%-14s     BUILD FAILED      %4d s\n' "$name" $((SECONDS - started))
    sed 's/^/    /' var/log/"$folder".errors
    return 1
}

# Names of the tests that share memory between threads; those of suite "threads" are added.
thread_tests()
{
    local shared='cache|ring|wakeup|fabric|control|io_loop|loop_thread|live_settings|schema_set|blob'
    shared="$shared|counters|log|worker"
    {
        meson test -C build-tsan --no-rebuild --list --suite threads 2>/dev/null
        meson test -C build-tsan --no-rebuild --list 2>/dev/null |
            grep -E "($shared)\\w*_test" |
            grep -v without_fences || true # the sanitizer's own atomics are such fences
    } | sed 's/.* //' | sort -u
}

run_system()
{
    if [ "$(id -u)" -ne 0 ]; then
        echo "system         skipped: needs root (network namespaces, raw sockets)"
        return
    fi
    suite "$1" "$2" var/test/"$1".result env GANNET_BINARY="$PWD/$3" tests/system/run.py "${@:4}"
}

# Only what the tests with threads need: half of the time.
build_thread_tests()
{
    local -a tests
    need_setup "$@" || return
    mapfile -t tests < <(thread_tests)
    mapfile -t tests < <(tests/support/test_targets.py "$1" "${tests[@]}")
    need_targets "$1" "${tests[@]}"
}

# A sanitizer makes a simulation several times slower: a twentieth of the depth, unless asked for more.
shallow()
{
    GANNET_SEEDS=${GANNET_SEEDS:-120} GANNET_CRASHES=${GANNET_CRASHES:-150} \
        GANNET_OPERATIONS=${GANNET_OPERATIONS:-1500} "$@"
}

everything()
{
    # To build: what a sanitizer adds is slow to optimize.
    local -a quick=(-Doptimization=1 -Dc_args=-g1)
    suite lint 120 var/test/lint.result tests/lint/check_tree.py
    suite lint-test 60 var/test/lint-test.result tests/lint/check_tree_test.py
    if build_suite gcc build-test gcc -Dhot_asserts=true; then
        meson_suite unit build-test 240 --suite unit
        meson_suite sim build-test 300 --suite sim
        meson_suite link build-test 60 --suite system
        run_system system 500 build-test/gannet
    fi
    # The second compiler, its warnings, the sanitizers and the fuzzers in one build: as tests/fuzz/run.sh has it.
    if build_suite clang build-sanitizers clang -Dfuzzers=true -Dsanitize=address -Dhot_asserts=true \
        "${quick[@]}"; then
        shallow meson_suite asan-unit build-sanitizers 300 --suite unit
        shallow meson_suite asan-sim build-sanitizers 420 tcp_sim store_crash_sim store_model \
            coherence_model "coherence_model log" server_sim
        run_system asan-system 200 build-sanitizers/gannet --short
        suite fuzz 300 var/test/fuzz.result tests/fuzz/run.sh all "$GANNET_FUZZ_SECONDS"
    fi
    if build_step tsan build-tsan build_thread_tests build-tsan gcc -Dsanitize=thread -Dhot_asserts=true \
        "${quick[@]}"; then
        # shellcheck disable=SC2046  # one word per test
        meson_suite tsan-threads build-tsan 300 $(thread_tests)
    fi
    suite budget 240 var/test/budget.result tests/bench/budget/run.py --check
}

only_matching()
{
    local name=$1
    local -a tests
    build_suite gcc build-test gcc -Dhot_asserts=true || return 0
    # Lines are "project:suite / name"; a name may have spaces.
    mapfile -t tests < <(meson test -C build-test --no-rebuild --list 2>/dev/null | sed 's,.* / ,,' |
        grep -F -- "$name" || true)
    if [ ${#tests[@]} -gt 0 ]; then
        meson_suite matching build-test 600 --verbose "${tests[@]}"
        cat var/test/matching.log
    fi
    if [ -x tests/system/run.py ] && tests/system/run.py --list | grep -F -q -- "$name"; then
        run_system system 600 build-test/gannet "$name"
        cat var/test/system.log
    fi
    if [ $((passed + failed)) -eq 0 ]; then
        failed=$((failed + 1))
        echo "no test is named like $name"
    fi
}

test_main()
{
    local depth=''
    if [ "${1:-}" = --long ]; then
        depth=--long
        limit_factor=1000
        shift
    fi
    [ $# -le 1 ] || die "usage: ./dev test [--long] [NAME]"
    set_depth "$depth"
    mkdir -p var/log var/test
    if [ $# -eq 1 ]; then
        only_matching "$1"
    else
        everything
    fi
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}
