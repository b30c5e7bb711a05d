#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A cable between the server and a client, made of two virtual Ethernet ends.
#
#   veth.sh up   CLIENT_NAMESPACE [SERVER_NAMESPACE]
#   veth.sh down CLIENT_NAMESPACE [SERVER_NAMESPACE]   removes what up made; nothing else was changed
#
# The server's end is gannet0, here or in SERVER_NAMESPACE; the client's end is gannet-c0, in CLIENT_NAMESPACE,
# or here when that is empty.
# Client: 10.99.0.1/24 and fd99::1/64.  Server: 10.99.0.2, fd99::2; it answers itself, so no address here.
set -euo pipefail

server_end=gannet0
client_end=gannet-c0

inside()
{
    local namespace=$1
    shift
    if [ -n "$namespace" ]; then
        ip netns exec "$namespace" "$@"
    else
        "$@"
    fi
}

# The server reads raw frames, so the kernel must finish them: checksums in place, no segment over the MTU.
plain_frames()
{
    inside "$1" ethtool -K "$2" tx off tso off gso off gro off >/dev/null 2>&1 ||
        echo "veth.sh: ethtool could not switch every offload of $2 off" >&2
}

up()
{
    local client=$1 server=$2
    down "$client" "$server"
    if [ -n "$client" ]; then
        ip netns add "$client"
    fi
    if [ -n "$server" ]; then
        ip netns add "$server"
        inside "$server" ip link set lo up
    fi
    inside "$server" ip link add "$server_end" type veth peer name "$client_end"
    if [ -n "$client" ]; then
        inside "$server" ip link set "$client_end" netns "$client"
    fi

    # The kernel on the server's side stays silent: no address, no ARP, no IPv6, nothing forwarded.
    inside "$server" sh -c "cd /proc/sys/net; echo 0 >ipv4/conf/$server_end/forwarding
        [ ! -e ipv6 ] || echo 1 >ipv6/conf/$server_end/disable_ipv6"
    inside "$server" ip link set "$server_end" arp off
    plain_frames "$server" "$server_end"
    plain_frames "$client" "$client_end"

    inside "$client" ip link set lo up
    inside "$client" sh -c "[ ! -e /proc/sys/net/ipv6 ] ||
        echo 0 >/proc/sys/net/ipv6/conf/$client_end/accept_dad"
    inside "$client" ip addr add 10.99.0.1/24 dev "$client_end"
    inside "$client" ip -6 addr add fd99::1/64 dev "$client_end" nodad ||
        echo "veth.sh: no IPv6 on this machine" >&2
    inside "$client" ip link set "$client_end" up
    inside "$server" ip link set "$server_end" up
}

down()
{
    local client=$1 server=$2 namespace
    # Removing one end removes both, also when a process keeps the namespace alive.
    if [ -z "$server" ] && [ -e "/sys/class/net/$server_end" ]; then
        ip link del "$server_end"
    fi
    for namespace in $client $server; do
        if [ -e "/run/netns/$namespace" ]; then
            inside "$namespace" ip link del "$client_end" 2>/dev/null || true
            ip netns del "$namespace"
        fi
    done
}

if [ $# -lt 2 ] || [ $# -gt 3 ] || [[ $1 != up && $1 != down ]]; then
    echo "usage: veth.sh up|down CLIENT_NAMESPACE [SERVER_NAMESPACE]" >&2
    exit 2
fi
"$1" "$2" "${3:-}"
