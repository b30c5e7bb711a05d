# SPDX-License-Identifier: BSD-3-Clause
"""Reads callgrind's output and attributes every instruction to a stage (stages.py).

1. Callgrind gives own cost by compiled function, source file and line; with debug information a line keeps its
   file when it was inlined. So a line of a .c file belongs to the *source* function around it, whatever the
   compiler inlined where, and that function has a stage.
2. A line inlined from a header or a helper belongs to the stage of the compiled function it ended up in (HEADERS:
   exceptions).
3. What a library or a helper (HELPERS) costs belongs to the line that called it, by the call's inclusive cost.

All of it adds up to callgrind's total; what has no stage is "other".
"""
import collections
import os
import re

from stages import FILES, HEADERS, HELPERS, NOT_COUNTED, STAGES

__all__ = ['STAGES', 'NOT_COUNTED', 'Profile', 'read_profile']


class Symbol:
    """A compiled function: own cost by (file, line), and calls (file, line, callee, inclusive cost)."""

    def __init__(self, name, file):
        self.name, self.file = name, file
        self.lines = collections.Counter()
        self.calls = []


class Source:
    """Finds the function around a line: Linux braces, so a body is between `{` and `}` in the first column."""

    def __init__(self, root):
        self.root, self.files = root, {}

    def load(self, file):
        bodies, lines = [], []
        path = os.path.join(self.root, file)
        if os.path.exists(path):
            with open(path, encoding='utf-8', errors='replace') as text:
                lines = text.read().split('\n')
        signature, name = [], None
        for number, line in enumerate(lines, 1):
            if line.startswith('{'):
                found = re.search(r'(\w+)\s*\((?!\()', re.sub(r'__\w+\s*\(\(.*?\)\)', '', ' '.join(signature)))
                name = found.group(1) if found else None
                begin = number - len(signature)
            elif line.startswith('}') and name:
                bodies.append((begin, number, name))
                signature, name = [], None
            elif not line.strip() or re.match(r'[#/ ]?\*|#|}', line):
                signature = []
            else:
                signature.append(line)
        return bodies

    def function(self, file, line):
        if file not in self.files:
            self.files[file] = self.load(file)
        for begin, end, name in self.files[file]:
            if begin <= line <= end:
                return name
        return None


def bare(name):
    return name.split('.')[0].split("'")[0]


def stage_of(file, function):
    for pattern, stage, exceptions in FILES:
        if re.fullmatch(pattern, file):
            return exceptions.get(function, stage)
    return 'other' if re.match(r'(dataplane|control|include|tests)/', file) else None


class Profile:
    """path, requests, stages {name: cost}, functions [(cost, name)], others [(cost, name)]"""

    def __init__(self, root):
        self.source = Source(root)
        self.path, self.requests, self.total = None, 0, 0
        self.symbols = {}
        self.stages = collections.Counter()
        self.functions, self.others = [], []
        self.owners, self.shares = {}, {}

    def owner(self, symbol):
        """The stage of a compiled function; None for libraries, helpers and out-of-line copies from headers."""
        if id(symbol) not in self.owners:
            file = symbol.file
            if file.endswith('.h'):  # callgrind names the file of the first instruction, maybe an inlined one
                costs = collections.Counter()
                for (line_file, _), cost in symbol.lines.items():
                    if line_file.endswith('.c'):
                        costs[line_file] += cost
                file = costs.most_common(1)[0][0] if costs else None
            is_helper = not file or re.fullmatch(HELPERS, file)
            self.owners[id(symbol)] = None if is_helper else stage_of(file, bare(symbol.name))
        return self.owners[id(symbol)]

    def line_stage(self, symbol, file, line):
        owner = self.owner(symbol)
        if file.endswith('.c') and stage_of(file, None) and not re.fullmatch(HELPERS, file):
            return stage_of(file, self.source.function(file, line) or bare(symbol.name))
        for pattern, inside, stage in HEADERS:
            if re.fullmatch(pattern, file) and inside in (None, owner):
                return stage
        return owner

    def unowned_share(self, symbol):
        """Of a library function's inclusive cost: how much is not spent in functions that have a stage."""
        if id(symbol) not in self.shares:
            self.shares[id(symbol)] = 1.0  # recursion counts as its own
            own = sum(symbol.lines.values())
            called = sum(cost for _, _, _, cost in symbol.calls)
            kept = sum(cost * self.unowned_share(callee) for _, _, callee, cost in symbol.calls
                       if not self.owner(callee))
            self.shares[id(symbol)] = (own + kept) / (own + called) if own + called else 1.0
        return self.shares[id(symbol)]

    def function_name(self, symbol, file, line):
        function = self.source.function(file, line) or '?'
        place = f'{file.replace("/usr/include/", "")}: {function}'
        return place if bare(symbol.name) == function else f'{place}  in {bare(symbol.name)}'

    def attribute(self):
        functions, others = collections.Counter(), collections.Counter()
        for symbol in self.symbols.values():
            owner = self.owner(symbol)
            for (file, line), cost in symbol.lines.items():
                name = self.function_name(symbol, file, line) if owner else f'{symbol.file}: {symbol.name}'
                stage = self.line_stage(symbol, file, line) if owner else None
                if stage not in NOT_COUNTED:
                    functions[name] += cost
                if owner:
                    self.stages[stage] += cost
                if stage == 'other':
                    others[name] += cost
            for file, line, callee, cost in symbol.calls if owner else ():
                if not self.owner(callee):
                    self.stages[self.line_stage(symbol, file, line)] += cost * self.unowned_share(callee)
        lost = self.total - sum(self.stages.values())
        if abs(lost) >= 1:
            self.stages['other'] += lost
            others['without a caller'] += lost
        self.functions = sorted(((cost, name) for name, cost in functions.items()), reverse=True)
        self.others = sorted(((cost, name) for name, cost in others.items()), reverse=True)


def place(root, path):
    """Inside the tree relative to its root, else as it is."""
    path = os.path.normpath(path)
    return path[len(root) + 1:] if path.startswith(root + '/') else path


def read_profile(path, root):
    profile = Profile(root)
    symbols = profile.symbols
    current, file, callee, callee_file = None, '', None, None
    object_name, callee_object = '', None
    expects_call = False

    def symbol(owner, where, name):
        shown = where if where != '???' else os.path.basename(owner)
        return symbols.setdefault((owner, where, name), Symbol(name, shown))

    with open(path, encoding='utf-8', errors='replace') as lines:
        for text in lines:
            key, equals, value = text.rstrip('\n').partition('=')
            if text.startswith('desc: Trigger: Client Request: '):
                profile.path, requests = text.split()[-2:]
                profile.requests = int(requests)
            elif text.startswith('totals:'):
                profile.total = int(text.split()[1])
            elif equals and key == 'ob':
                object_name = value
            elif equals and key == 'fl':
                function_file = file = place(root, value)
            elif equals and key in ('fi', 'fe'):
                file = place(root, value)
            elif equals and key == 'fn':
                current = symbol(object_name, function_file, value)
                file = function_file
            elif equals and key == 'cob':
                callee_object = value
            elif equals and key in ('cfi', 'cfl'):
                callee_file = place(root, value)
            elif equals and key == 'cfn':
                callee = symbol(callee_object or object_name, callee_file or function_file, value)
                callee_object = callee_file = None
            elif equals and key == 'calls':
                expects_call = True
            elif text[:1].isdigit():
                line, _, cost = text.partition(' ')
                if expects_call:
                    current.calls.append((file, int(line), callee, int(cost)))
                else:
                    current.lines[(file, int(line))] += int(cost)
                expects_call = False
    profile.attribute()
    return profile
