# SPDX-License-Identifier: BSD-3-Clause
# varnish in front of nginx, which it asks once per key. The suite fills in @ORIGIN_PORT@; the options it is
# started with (RAM storage, one thread pool, log mask) are in tests/bench/suite/peers.py.
vcl 4.1;

backend origin {
    .host = "127.0.0.1";
    .port = "@ORIGIN_PORT@";
}

sub vcl_recv {
    return (hash);                  # no cookies, no exceptions: everything is a lookup
}

sub vcl_backend_response {
    set beresp.ttl = 1d;            # no key expires during a run
    set beresp.grace = 0s;
    set beresp.do_gzip = false;
}
