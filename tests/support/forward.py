#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""forward.py LISTEN_ADDRESS:PORT SERVER_ADDRESS:PORT

Listens here, connects there, and carries bytes both ways: for ./dev up where the kernel may not (redirect.sh).
"""
import asyncio
import resource
import signal
import socket
import sys

CHUNK_BYTES = 256 * 1024


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


async def serve(listen, server):
    listener = socket.create_server(listen, backlog=1024)
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    running = await asyncio.start_server(lambda r, w: forward(r, w, server), sock=listener,
                                         limit=CHUNK_BYTES)
    await stopped.wait()
    running.close()


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.split('\n', maxsplit=1)[0])
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(serve(address(sys.argv[1]), address(sys.argv[2])))


if __name__ == '__main__':
    main()
