# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2154  # $state is the sourcing script's
# Background processes by pid file: "PID START", where START (field 22 of /proc/PID/stat) tells a process
# from a later one that got the same number.

# Nothing for a process that has ended, waited for or not (Z).
process_start_time()
{
    grep -q ') Z ' "/proc/$1/stat" 2>/dev/null && return 0
    sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20
}

# start_process NAME COMMAND...: in its own session, output to $state/log/NAME.log, pid in $state/run/NAME.pid.
start_process()
{
    local name=$1 pid
    shift
    mkdir -p "$state/run" "$state/log"
    setsid "$@" >"$state/log/$name.log" 2>&1 </dev/null &
    pid=$!
    disown "$pid"
    echo "$pid $(process_start_time "$pid")" >"$state/run/$name.pid"
}

# Prints the pid when the process is still the one that was started.
process_pid()
{
    local pid start
    [ -f "$state/run/$1.pid" ] || return 1
    read -r pid start <"$state/run/$1.pid" || return 1
    [ -n "$pid" ] && [ -n "$start" ] && [ "$(process_start_time "$pid")" = "$start" ] || return 1
    echo "$pid"
}

# stop_process NAME SECONDS: SIGTERM, then SIGKILL after SECONDS.
stop_process()
{
    local name=$1 tenths=$(($2 * 10)) pid
    if pid=$(process_pid "$name"); then
        kill -TERM "$pid" 2>/dev/null || true
        while ((tenths-- > 0)) && process_pid "$name" >/dev/null; do
            sleep 0.1
        done
        if process_pid "$name" >/dev/null; then
            say "$name did not stop in time: killed"
            kill -KILL "$pid" 2>/dev/null || true
        fi
    fi
    rm -f "$state/run/$name.pid"
}
