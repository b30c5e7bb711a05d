#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""forward.py NAMESPACE LISTEN_ADDRESS:PORT SERVER_ADDRESS:PORT

Listens here, connects from inside a network namespace, and carries bytes both ways, so that a browser or
curl on this machine reaches a server that only the namespace can see. For development only.
"""
import asyncio
import ctypes
import os
import resource
import signal
import socket
import sys

CLONE_NEWNET = 0x40000000
CHUNK_BYTES = 256 * 1024


def enter_namespace(name):
    """Sockets belong to the namespace they are made in: the listening one was made before."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f'/run/netns/{name}', 'rb') as namespace:
        if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), name)


async def carry(reader, writer):
    """Until the end of one direction, then passes that end on: the other direction may go on."""
    try:
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.transport.abort()


async def forward(client_reader, client_writer, server):
    try:
        server_reader, server_writer = await asyncio.open_connection(*server, limit=CHUNK_BYTES)
    except OSError:
        client_writer.transport.abort()
        return
    try:
        await asyncio.gather(carry(client_reader, server_writer), carry(server_reader, client_writer))
    finally:
        for writer in (client_writer, server_writer):
            writer.close()


def address(text):
    host, _, port = text.rpartition(':')
    return host, int(port)


async def serve(namespace, listen, server):
    listener = socket.create_server(listen, backlog=1024)
    enter_namespace(namespace)
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    running = await asyncio.start_server(lambda r, w: forward(r, w, server), sock=listener,
                                         limit=CHUNK_BYTES)
    await stopped.wait()
    running.close()


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__.split('\n', maxsplit=1)[0])
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(serve(sys.argv[1], address(sys.argv[2]), address(sys.argv[3])))


if __name__ == '__main__':
    main()
