#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The layers below TCP against Linux: ping and ping6 from a namespace of our own, over a veth pair, without
# hugepages; with one worker and with two on a single queue (software dispatch). Nothing may be left behind.
set -euo pipefail
probe=$1
space=gannet-ping-$$
near=gp$$a far=gp$$b
[ "$(id -u)" = 0 ] && ip netns add "$space" 2>/dev/null || { echo "needs root and namespaces"; exit 77; }
pid=
finish() {
    [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
    ip link del "$near" 2>/dev/null || true
    ip netns del "$space" 2>/dev/null || true
}
trap finish EXIT
ip link add "$near" type veth peer name "$far"
ip link set "$near" up
sysctl -qw "net.ipv6.conf.$near.disable_ipv6=1" || true
ip netns exec "$space" ip link set lo up

plug_in() {
    ip link set "$far" netns "$space"
    ip netns exec "$space" ip link set "$far" up
    ip netns exec "$space" ip addr add 198.18.7.2/24 dev "$far"
    ip netns exec "$space" ip addr add 2001:db8:7::2/64 dev "$far" nodad
}
plug_in

files_of() { ls -d /var/run/dpdk/gannet-"$1" /dev/hugepages/*gannet-"$1"* 2>/dev/null || true; }

try() { # DEVICE WORKERS SIZE...
    local device=$1 workers=$2 log
    shift 2
    log=$(mktemp)
    "$probe" "$device" 198.18.7.1/24 2001:db8:7::1/64 "$workers" 30 >"$log" 2>&1 &
    pid=$!
    for _ in $(seq 100); do grep -q '^ready' "$log" && break; sleep 0.1; done
    grep -q '^ready' "$log" || { cat "$log"; return 1; }
    [[ $device != net_tap* ]] || plug_in
    for size in "$@"; do
        # the very first packet counts: -c 3 and no loss
        [[ $device == net_af_packet* && $size -gt 1472 ]] ||
            ip netns exec "$space" ping -q -c 3 -i 0.1 -W 2 -s "$size" 198.18.7.1 | grep ' 0% packet loss'
        ip netns exec "$space" ping -6 -q -c 3 -i 0.1 -W 2 -s "$size" 2001:db8:7::1 | grep ' 0% packet loss'
    done
    kill "$pid"
    wait "$pid"
    cat "$log"
    [ -z "$(files_of "$pid")" ] || { echo "left behind: $(files_of "$pid")"; return 1; }
    pid=
    rm -f "$log"
    ip netns exec "$space" ip neigh flush all
}

# 8000 bytes are six fragments each way. Behind net_af_packet the kernel puts those of IPv4 together itself
# (PACKET_FANOUT_FLAG_DEFRAG) and cuts the result to one ring slot, so there only IPv6 has any.
try "net_af_packet0,iface=$near" 1 0 56 1400 8000
try "net_af_packet0,iface=$near" 2 56 1400 8000

# A TAP interface hands over what was sent.
[ -c /dev/net/tun ] || exit 0
ip link del "$near"
far=gp$$t
try "net_tap0,iface=$far" 1 56 8000 11000
