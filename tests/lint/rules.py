# SPDX-License-Identifier: BSD-3-Clause
"""What check_tree.py enforces, as data. Every entry says why, and what to do instead.

One line of code may be excused where it stands, with a reason:  /* lint-allow: RULE: reason */
on that line or the one before. An excuse that excuses nothing is an error too.
"""

# ---- layers -------------------------------------------------------------------------------------

# Which folders a folder may include from. The program itself sees both sides: main.c and its rooms.
FOLDER_MAY_INCLUDE = {
    'include': {'include'},
    'dataplane': {'include', 'dataplane'},
    'control': {'include', 'control'},
    'tests': {'include', 'dataplane', 'control', 'tests'},
}
SEES_BOTH_SIDES = {'control/main.c', 'control/server.h', 'control/server_admin.c', 'control/server_limited.c',
                   'control/server_metrics.c',
                   'control/server_settings.c', 'control/server_watch.c', 'control/server_workers.c'}

# Inside dataplane, a lower rank never includes a higher one; a leaf includes only its own header
# and other leaves. Files that match nothing are not ranked.
DATAPLANE_RANKS = [
    (r'(packet|nic|nic_dpdk|checksum|siphash)', 0),
    (r'(ethernet|arp|frame_filter|neighbours?|nd|mld|ipv4|ipv6|icmp|icmpv6|ip_fragments)', 1),
    (r'(tcp|tcp_\w+|timer_wheel|connection_table)', 2),
    (r'(api|api_\w+)', 3),
    (r'(core_loop|worker|worker_\w+)', 4),
]
DATAPLANE_LEAVES = r'(http_\w+|openapi_document|proxy_header|response_cache|cache_\w+|etag|timer_wheel|siphash)'

# <rte_*.h> only where the hardware or the memory below it is the subject. Pattern -> reason.
DPDK_ALLOWED = [
    (r'include/message_ring\.[ch]', r'rte_(ring\w*|errno|malloc|common)', 'the one ring between threads'),
    (r'include/blob\.[ch]', r'rte_(stack|ring|mempool|malloc|memzone|errno|lcore|eal)',
     'value memory comes from hugepages'),
    (r'include/memory_region\.[ch]', r'rte_(malloc|memory|lcore|eal)', 'hugepages, or ordinary pages'),
    (r'include/clock\.h', r'rte_cycles', 'the time stamp counter'),
    (r'dataplane/packet(_pool|_build)?\.[ch]', r'rte_\w+', 'where frame ownership is defined'),
    (r'dataplane/nic_dpdk\.c', r'rte_\w+', 'the only user of ethdev'),
    (r'dataplane/core_loop\.[ch]', r'rte_\w+', 'launches lcores and reports quiescent points'),
    (r'dataplane/response_cache\w*\.[ch]', r'rte_(rcu_qsbr|malloc|errno|eal|lcore|mempool|prefetch|pause)',
     'reclamation by RCU, memory from hugepages'),
    (r'dataplane/(checksum|ipv4|ipv6|tcp_output)\.[ch]', r'rte_(ip|tcp|ether|mbuf|byteorder)', 'checksum helpers'),
    (r'dataplane/ip_fragments\.c', r'rte_(ip_frag|mbuf)', 'the only user of reassembly'),
    (r'control/(main|startup|eal_start|eal)\.[ch]', r'rte_\w+', 'starts EAL'),
    (r'control/(admin|stats_export|preflight)\.c', r'rte_(ethdev|eal|memory|malloc|version)',
     'reads port statistics and memory'),
    (r'tests/.*', r'rte_\w+', 'tests may look inside'),
]
IO_URING_ALLOWED = r'(control/io_loop\w*\.[ch]|tests/.*)'

# ---- banned tokens --------------------------------------------------------------------------------

# Functions that run before the first packet or after the last: they may allocate.
START_UP_FUNCTION = (r'(^|_)(create|destroy|init|start|stop|setup|open|close|configure|teardown|probe|launch|'
                     r'register|reserve|main)(_|$)|(ring|table|pool|memory)_free$')

# (rule, files, pattern, why and what instead, exceptions: files with a reason)
BANNED = [
    ('unsafe-string', r'.*\.[ch]', r'\b(strcpy|strcat|sprintf|vsprintf|gets|stpcpy|strncpy|strncat)\s*\(',
     'no bound, or no terminator: use snprintf or memcpy with the length', {}),
    ('number-parsing', r'.*\.[ch]', r'\b(atoi|atol|atoll|atof)\s*\(',
     'cannot report an error: use strtoull with errno and the end pointer, or our parse_decimal', {}),
    ('strtok', r'.*\.[ch]', r'\bstrtok\s*\(', 'hidden state: use strchr or strtok_r', {}),
    ('volatile', r'.*\.[ch]', r'\bvolatile\b', 'is neither atomic nor ordered: use C11 atomics',
     {'asm': r'\b(asm|__asm__)\s+volatile\b'}),
    ('sync-builtin', r'.*\.[ch]', r'\b__(sync|atomic)_\w+\s*\(', 'use <stdatomic.h> with a pairing comment', {}),
    ('libc-assert', r'.*\.[ch]', r'(?<!\w)assert\s*\(', 'use ASSERT or ASSERT_HOT (include/assert_policy.h)', {}),
    ('alloca', r'.*\.[ch]', r'\balloca\s*\(', 'an unbounded stack: use a fixed array', {}),
    ('allocation', r'dataplane/.*\.[ch]',
     r'\b(malloc|calloc|realloc|free|strdup|aligned_alloc|posix_memalign|mmap|munmap|rte_malloc\w*|rte_zmalloc\w*|rte_free)\s*\(',
     'the hot path does not allocate: take memory in a _create or _init function, from a fixed pool after that',
     {'function': START_UP_FUNCTION}),
    ('print', r'(dataplane|include|control)/.*\.[ch]', r'\b(printf|fprintf|vprintf|vfprintf|puts|fputs|putchar|perror|syslog)\s*\(',
     'use include/log.h: a print blocks the thread on somebody else\'s terminal',
     {'files': {r'include/log\.c': 'the log itself', r'include/assert_policy\.[ch]': 'the last words',
                r'control/(main|command_\w+|\w+_command|check\w*|doctor|preflight|config_\w+|keys_file|help)\.c':
                    'commands talk to a person'}}),
    ('hot-log', r'dataplane/.*\.[ch]', r'\blog_(error|warning|info|debug|message)\s*\(',
     'workers do not log: count it, with a counter or a drop reason',
     {'function': START_UP_FUNCTION}),
    ('lock', r'dataplane/.*\.[ch]', r'\b(pthread_(mutex|rwlock|spin|cond)_\w+|rte_(spinlock|rwlock)_\w+|mtx_\w+|sem_\w+)\s*\(',
     'the hot path does not lock: one writer per structure, messages between threads', {}),
    ('syscall', r'dataplane/.*\.[ch]', r'\b(read|write|open|close|socket|send|recv|sendto|recvfrom|ioctl|poll|epoll_wait|usleep|nanosleep|sleep|sched_yield|syscall)\s*\(',
     'the hot path makes no system call (the one wake-up is in include/wakeup.h)',
     {'function': START_UP_FUNCTION}),
    ('clock', r'(dataplane|control|include)/.*\.[ch]', r'\b(gettimeofday|clock_gettime|time|ftime|rte_rdtsc\w*|rte_get_\w+_cycles)\s*\(',
     'time is an argument (now_ns, struct round_time): a simulation must be able to turn it',
     {'files': {r'include/(clock|wakeup|log)\.[ch]': 'the clock itself',
                r'dataplane/core_loop\.c': 'reads the clock once per round',
                r'control/io_loop_\w+\.c': 'the seam the store asks for time',
                r'control/main\.c': 'the top of the process'}}),
    ('randomness', r'(dataplane|control|include)/.*\.[ch]', r'\b(rand|srand|random|drand48|lrand48|rte_rand\w*|getrandom|getentropy|arc4random\w*)\s*\(',
     'randomness is an argument (struct random): a seed must replay',
     {'files': {r'control/main\.c': 'seeds the process', r'control/io_loop_\w+\.c': 'the seam',
                r'control/(startup|server)\w*\.c': 'seeds the process'}}),
    ('division', r'dataplane/.*\.[ch]', r'[\w\)\]]\s*[/%]=?\s*(?!sizeof\b)[a-z_]\w*',
     'division by a variable takes 25 to 40 cycles: use a power of two and a mask, or precompute',
     {'function': START_UP_FUNCTION}),
    ('exit', r'(dataplane|include)/.*\.[ch]', r'\b(exit|abort|_exit|rte_exit|rte_panic)\s*\(',
     'a library does not end the process: return an error, or ASSERT for our own bugs',
     {'files': {r'include/(assert_policy|log)\.[ch]': 'what ASSERT does'}}),
]

# Words that stand for unfinished work. Spelled in pieces so that this file does not report itself.
UNFINISHED = r'\b(' + '|'.join(('FIX' + 'ME', 'TO' + 'DO', 'XX' + 'X', 'HA' + 'CK')) + r')\b'

# A checkout must not depend on where it lies or on who wrote it.
PLACES = (r'(?<![\w.-])/(' + '|'.join(('wor' + 'k', 'hom' + 'e', 'far' + 'm')) + r')/\w|\.\./' + 'shar' + r'ed/')

# ---- headers, sizes, tests ------------------------------------------------------------------------

HEADER_LABELS = ('Purpose:', 'Ownership:', 'Threading:', 'Units:', 'Errors:', 'Source:')

LINE_COLUMNS = 100
SCRIPT_COLUMNS = 115
# Tables whose rows are sentences.
LONG_LINES_ALLOWED = r'.*\.def|meson_options\.txt|.*meson\.build|tests/lint/rules\.py'

FUNCTION_LINES = 70
FILE_LINES = 900
# A ratchet: function -> (most lines it may have, why it stays whole). Lower the number when it shrinks.
LONG_FUNCTIONS = {
}
LONG_FILES = {
}

# dataplane/STEM.c and control/STEM.c have a test STEM_test.c (or STEM_WHAT_test.c), or are named here
# with the tests that cover them; those must exist.
COVERED_BY = [
    (r'control/json_(equal|pattern|place|schema_check)\.c', 'tests/unit/json_schema_test.c'),
    (r'control/task_document\.c', 'tests/unit/task_schema_test.c'),
    (r'control/task_walk\.c', 'tests/unit/task_list_test.c'),
    (r'control/(bulk_item|task_collection|task_purge)\.c', 'tests/unit/task_bulk_test.c'),
    (r'dataplane/tcp_(frame|loss|options|output|reassembly|retransmit|timers|congestion|input|user)\.c',
     'tests/unit/tcp_transfer_test.c'),
    (r'dataplane/tcp_(handshake|stack|time_wait)\.c', 'tests/unit/tcp_state_test.c'),
    (r'dataplane/tcp_syn_table\.c', 'tests/unit/tcp_listen_test.c'),
    (r'dataplane/(network_output|packet_pool)\.c',
     'tests/unit/network_test.c'),
    (r'dataplane/idempotency_key\.c', 'tests/unit/task_once_test.c'),
    (r'dataplane/(mld|network_errors)\.c', 'tests/unit/network_link_test.c'),
    (r'dataplane/nic_dpdk\.c', 'tests/system/test_values.py'),   # needs a port
    (r'control/main\.c', 'tests/system/test_durability.py'),     # the order of start and stop
    (r'control/server_(settings|workers)\.c', 'tests/system/test_reload.py'), # the file, the lock, the threads
    (r'control/server_(admin|metrics)\.c', 'tests/system/test_tools.py'),
    (r'control/server_limited\.c', 'tests/system/test_rate_limits.py'),
    (r'control/server_watch\.c', 'tests/system/test_durability.py'),
    (r'control/admin\w*\.c', 'tests/system/test_tools.py'),      # kernel sockets, /metrics
    (r'control/config_\w+\.c', 'tests/unit/config_file_test.c'),
    (r'control/(metrics_text|top_view)\.c', 'tests/unit/top_command_test.c'),
    (r'control/io_loop_(system|threads|uring)\.c', 'tests/unit/io_loop_test.c'),
    (r'control/io_(loop_simulator|simulator_disk)\.c', 'tests/unit/io_simulator_test.c'),
    # the store as a whole, on a simulated disk: crashes, faults, a reference map, rot
    (r'control/(segment_(maker|scan|table)|shard_(batch|commit|extent|read|recovery|compaction)|store_(log|super))\.c',
     'tests/sim/store_model.c'),
    (r'control/shard_(accept|evaluate)\.c', 'tests/sim/store_policy_test.c'),
    # `gannet store ...` on directories that the engine wrote
    (r'control/store_(backup|compact|copy|files|hold|inspect|reader|verify|command)\.c',
     'tests/unit/store_tools_test.c'),
    (r'dataplane/cache_\w+\.c', 'tests/unit/response_cache_test.c'),
    # the whole server on a perfect wire: every status, limit and timeout; tests/sim/server_sim.c on bad ones
    (r'dataplane/(api_(access|answer|body|connection|handler|hits|log|proxy|settings)|core_loop|shard_client)\.c', 'tests/unit/api_handler_test.c'),
    (r'(control/(capture_export|pcapng)|dataplane/network_capture)\.c', 'tests/unit/network_capture_test.c'),
    (r'control/(capture_command|admin_client)\.c', 'tests/system/test_capture.py'),
    (r'dataplane/frame_filter\.c', 'tests/unit/capture_filter_test.c'),
    (r'control/control_loop\.c', 'tests/unit/control_loop_threads_test.c'),
    (r'control/shard_watch\.c', 'tests/unit/value_watch_test.c'),
    (r'(control/task_(loop|run)|dataplane/(task_client|api_tasks))\.c', 'tests/unit/task_counter_test.c'),
    (r'control/preflight_device\.c', 'tests/unit/preflight_test.c'),
    (r'control/(doctor_\w+|machine_fit|tune)\.c', 'tests/unit/doctor_test.c'),
]

# Single files, with the test that reaches them.
WITHOUT_OWN_TEST = {
    'control/admin_request.c': 'admin_test',
    'control/io_loop_simulator.c': 'io_loop_test runs one suite on every back end; io_simulator_test',
    'control/io_loop_system.c': 'io_loop_test runs one suite on every back end',
    'control/io_loop_threads.c': 'io_loop_test runs one suite on every back end',
    'control/io_loop_uring.c': 'io_loop_test runs one suite on every back end',
    'control/io_simulator_disk.c': 'io_simulator_test',
    'control/config_check.c': 'reached through config_read: tests/unit/config_file_test.c, check_configs',
    'control/config_reload.c': 'tests/unit/config_reload_test.c',
    'control/keys_file.c': 'tests/system/test_access.py; api_keys_test parses',
    'control/check_command.c': 'tests/system/test_tools.py',
    'control/config_plan.c': 'tests/unit/config_file_test.c',
    'control/config_keys.c': 'reached through config_read: tests/unit/config_file_test.c, check_configs',
    'dataplane/nic_dpdk.c': 'needs a port: tests/system runs it on veth',
    'dataplane/cache_eviction.c': 'reached through response_cache: tests/unit/response_cache_test.c',
    'dataplane/cache_segments.c': 'reached through response_cache: tests/unit/response_cache_test.c',
    'control/main.c': 'start order: tests/system runs it whole',
    'control/directory_sync.c': 'tests/sim/store_sim.c: syncs that fail, two threads',
    'control/store_scrub.c': 'tests/sim/store_upkeep_test.c',
    'control/scrub_extent.c': 'tests/sim/store_upkeep_test.c',
}
