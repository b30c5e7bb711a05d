# SPDX-License-Identifier: BSD-3-Clause
"""Stops single threads of another process, as a debugger does; the others go on."""
import contextlib
import ctypes
import os

PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17
WALL = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.restype = ctypes.c_long
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def ptrace(request, thread):
    if libc.ptrace(request, thread, None, None) == -1:
        number = ctypes.get_errno()
        raise OSError(number, f'ptrace: {os.strerror(number)}')


@contextlib.contextmanager
def stopped(threads):
    """Must be entered and left by the same thread: ptrace knows its tracer by that."""
    held = []
    try:
        for thread in threads:
            ptrace(PTRACE_SEIZE, thread)
            held.append(thread)
            ptrace(PTRACE_INTERRUPT, thread)
            os.waitpid(thread, WALL)
        yield
    finally:
        for thread in held:
            ptrace(PTRACE_DETACH, thread)
