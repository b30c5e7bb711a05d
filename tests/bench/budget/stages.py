# SPDX-License-Identifier: BSD-3-Clause
"""Which stage a source function belongs to, as data. A source file that is not here shows up as "other"."""

# In the order of a request's journey.
STAGES = ('rx', 'ethernet/ip', 'tcp in', 'http parse', 'api', 'lookup', 'response', 'cache fill', 'shard client',
          'tcp out', 'tx', 'loop overhead', 'control loop', 'store', 'other', 'port', 'disk', 'harness')

# What stands in for hardware, and who drives it: shown, but in no total.
NOT_COUNTED = ('port', 'disk', 'harness')

# A file's stage (first match), and functions of it that belong to another.
FILES = [
    (r'dataplane/network\.c', 'ethernet/ip', {'network_receive': 'rx'}),
    (r'dataplane/dispatch\.c', 'rx', {}),
    (r'dataplane/(ethernet|ipv4|ipv6|arp|nd|icmp|neighbour)\.c', 'ethernet/ip', {}),
    (r'dataplane/network_output\.c', 'tx',
     {name: 'loop overhead' for name in ('network_timers', 'announce', 'resolve_gateways', 'read_bulletin',
                                         'ask_what_is_due')}),
    (r'dataplane/bulletin\.c', 'loop overhead', {}),
    (r'dataplane/tcp_(output|frame)\.c', 'tcp out', {}),
    (r'dataplane/tcp_user\.c', 'tcp out',
     {name: 'tcp in' for name in ('tcp_take_ready', 'tcp_make_ready', 'tcp_events', 'tcp_user', 'tcp_find',
                                  'tcp_handle', 'tcp_receive_run', 'tcp_receive_bytes', 'tcp_receive_peek',
                                  'window_may_matter', 'tcp_receive_consume', 'tcp_peer_is_closed',
                                  'tcp_next_open')}),
    (r'dataplane/tcp_timers\.c', 'tcp out',
     {name: 'loop overhead' for name in ('tcp_timers_run', 'timer_fired', 'rearm')}),
    (r'dataplane/(tcp_\w+|connection_table)\.c', 'tcp in', {}),
    (r'dataplane/(http_parser|http_range|http_repeat|http_scan|http_chunked)\.c', 'http parse', {}),
    (r'include/http_text\.c', 'http parse', {}),
    (r'dataplane/(api_answer|http_response|http_date|value_head|etag)\.c', 'response', {}),
    (r'dataplane/(api_\w+|proxy_header)\.c', 'api',
     {name: 'response' for name in ('append_answer', 'segment_next', 'segment_end', 'hits_init',
                                    'hits_update_clock')}),
    (r'dataplane/response_cache\.c', 'cache fill',
     {**{name: 'lookup' for name in ('response_cache_bucket', 'response_cache_guess', 'response_cache_confirm',
                                     'response_cache_lookup', 'response_cache_is_absent', 'entry_read',
                                     'mark_as_read', 'view_of', 'view_table')},
      **{name: 'loop overhead' for name in ('response_cache_maintain', 'response_cache_quiescent',
                                            'response_cache_online', 'response_cache_offline', 'sweep_some',
                                            'status_publish')}}),
    (r'dataplane/cache_\w+\.c', 'cache fill', {}),
    (r'dataplane/(shard|task)_client\.c', 'shard client', {}),
    (r'dataplane/core_loop\.c', 'loop overhead', {}),
    (r'control/control_loop\.c', 'control loop', {}),
    (r'control/io_(loop_simulator|simulator_disk|loop)\.c', 'disk', {}),
    (r'control/\w+\.c', 'store', {}),
    (r'include/space_counts\.[ch]', 'store', {}),
    (r'tests/support/fake_nic\.c', 'port', {}),
    (r'tests/.*\.c', 'harness', {}),
]

# Inlined from a header or a helper into a function of the stage (None: any): belongs to that stage instead.
HEADERS = [
    (r'dataplane/http_scan\.h', None, 'http parse'),
    (r'include/key_hash\.[ch]', 'api', 'lookup'),
]

# Helpers that serve many stages: their cost belongs to the stage that called them or where they were inlined,
# as libraries' does.
HELPERS = r'include/\w+\.c|dataplane/(timer_wheel|packet_pool)\.c'
