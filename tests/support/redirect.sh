#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What this machine sends to one of its own addresses goes to the server at the end of the cable (veth.sh): in the
# kernel, by a table of nftables.
#
#   redirect.sh up LISTEN_ADDRESS:PORT SERVER_ADDRESS:PORT   fails where nftables may not translate addresses
#   redirect.sh down                                         removes what up made; nothing else was changed
set -euo pipefail

table=gannet-dev
client_end=gannet-c0

up()
{
    local listen=$1 server=$2
    # The way back leads to a loopback address through an interface that is not lo. The setting dies with it.
    echo 1 >"/proc/sys/net/ipv4/conf/$client_end/route_localnet"
    nft -f - <<RULES
table ip $table {
    chain output {
        type nat hook output priority -100
        ip daddr ${listen%:*} tcp dport ${listen##*:} dnat to $server
    }
    chain postrouting {
        type nat hook postrouting priority 100
        ip saddr 127.0.0.0/8 ip daddr ${server%:*} masquerade
    }
}
RULES
}

down()
{
    nft delete table ip "$table" 2>/dev/null || true
}

if [ "$*" = down ]; then
    down
elif [ $# -eq 3 ] && [ "$1" = up ]; then
    down
    up "$2" "$3"
else
    echo "usage: redirect.sh up LISTEN_ADDRESS:PORT SERVER_ADDRESS:PORT, or redirect.sh down" >&2
    exit 2
fi
