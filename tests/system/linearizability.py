# SPDX-License-Identifier: BSD-3-Clause
"""Was there an order, consistent with real time, in which one key's answers make sense?

Exact, by just-in-time linearization (Lowe, "Testing for linearizability", 2017): walk calls and returns in
time order and keep every configuration (value, calls already taken effect) that explains all returns so far.
"""
import collections

# value: what was written, or what a read returned (None: absent). expected: what compare-and-set wanted.
# outcome: 'ok', 'refused' (412) or 'unknown' (no answer, 5xx: it happened until `end`, or never).
# existed: for an answered write, whether the server said that there was a value before; None if it did not.
Operation = collections.namedtuple('Operation', 'kind value expected outcome existed start end')


def apply(state, operation):
    """The state after it, or NotImplemented when that answer was impossible in this state."""
    if operation.existed is not None and operation.existed != (state is not None):
        return NotImplemented
    if operation.kind == 'get':
        return state if operation.value == state else NotImplemented
    if operation.kind == 'cas' and operation.outcome == 'refused':
        return state if state != operation.expected else NotImplemented
    if operation.kind == 'cas' and state != operation.expected:
        return state if operation.outcome == 'unknown' else NotImplemented
    return None if operation.kind == 'delete' else operation.value


def first_impossible(operations):
    """None when the history is linearizable, else the operation whose answer nothing explains."""
    events = []
    for number, operation in enumerate(operations):
        if operation.outcome != 'unknown' or operation.kind != 'get':
            events += [(operation.start, 0, number), (operation.end, 1, number)]
    events.sort()
    configurations = {(None, frozenset())}
    pending = set()
    for _, is_return, number in events:
        if not is_return:
            pending.add(number)
            continue
        after = reachable(configurations, pending, operations, number)
        if operations[number].outcome == 'unknown':
            after |= configurations
        configurations = {(state, done - {number}) for state, done in after}
        pending.discard(number)
        if not configurations:
            return operations[number]
    return None


def reachable(configurations, pending, operations, wanted):
    """All configurations in which `wanted` has taken effect, from any order of what is pending."""
    found = set()
    seen = set(configurations)
    work = list(configurations)
    while work:
        state, done = work.pop()
        if wanted in done:
            found.add((state, done))
            continue
        for number in pending - done:
            after = apply(state, operations[number])
            if after is not NotImplemented:
                following = (after, done | {number})
                if following not in seen:
                    seen.add(following)
                    work.append(following)
    return found


def versions_with_two_values(observations):
    """observations: (version, value). A version must never name two different values."""
    values = {}
    return [(version, values[version], value) for version, value in observations
            if values.setdefault(version, value) != value]
