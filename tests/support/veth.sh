#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A cable between the server and a client, made of two virtual Ethernet ends.
#
#   veth.sh up   HOST_END NAMESPACE   the server's end stays here, the client's end lies in NAMESPACE
#   veth.sh down HOST_END NAMESPACE   removes both; nothing else was changed
#
# Client: 10.99.0.1/24 and fd99::1/64.  Server (has no address here; it answers itself): 10.99.0.2, fd99::2.
set -euo pipefail

client_end=gannet-c0

# The server reads raw frames, so the kernel must finish them: checksums in place, no segment over the MTU.
plain_frames()
{
    local end=$1
    shift
    "$@" -K "$end" tx off tso off gso off gro off >/dev/null 2>&1 ||
        echo "veth.sh: ethtool could not switch every offload of $end off" >&2
}

up()
{
    local host_end=$1 namespace=$2
    down "$host_end" "$namespace"
    ip netns add "$namespace"
    ip link add "$host_end" type veth peer name "$client_end" netns "$namespace"

    # This side's kernel must stay silent: no address, no ARP, no IPv6 of its own, nothing forwarded.
    echo 1 >"/proc/sys/net/ipv6/conf/$host_end/disable_ipv6" 2>/dev/null || true
    echo 0 >"/proc/sys/net/ipv4/conf/$host_end/forwarding"
    ip link set "$host_end" arp off
    plain_frames "$host_end" ethtool
    plain_frames "$client_end" ip netns exec "$namespace" ethtool

    ip -n "$namespace" link set lo up
    ip -n "$namespace" addr add 10.99.0.1/24 dev "$client_end"
    ip -n "$namespace" -6 addr add fd99::1/64 dev "$client_end" nodad 2>/dev/null || true
    ip -n "$namespace" link set "$client_end" up
    ip link set "$host_end" up
}

down()
{
    local host_end=$1 namespace=$2
    # Removing one end removes both, also when the namespace is kept alive by a process.
    if [ -e "/sys/class/net/$host_end" ]; then
        ip link del "$host_end"
    fi
    if [ -e "/run/netns/$namespace" ]; then
        ip netns del "$namespace"
    fi
}

if [ $# -ne 3 ] || [[ $1 != up && $1 != down ]]; then
    echo "usage: veth.sh up|down HOST_END NAMESPACE" >&2
    exit 2
fi
"$@"
