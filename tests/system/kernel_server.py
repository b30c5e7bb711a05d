#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""kernel_server.py ADDRESS PORT CONGESTION: what was PUT is what GET gives back, over the kernel's own TCP.

The peer that our transfers over bad links are compared with: the same client, the same cable, no more HTTP than
that client needs. Values stay in memory.
"""
import contextlib
import socket
import sys
import threading

values = {}


def read_exactly(connection, count, begun):
    value = bytearray(count)
    value[:len(begun)] = begun
    view, at = memoryview(value), len(begun)
    while at < count:
        got = connection.recv_into(view[at:])
        if got == 0:
            raise ConnectionError('closed in the middle of a body')
        at += got
    return value


def answer_requests(connection):
    with connection, contextlib.suppress(OSError):
        buffer = b''
        while True:
            while b'\r\n\r\n' not in buffer:
                more = connection.recv(65536)
                if not more:
                    return
                buffer += more
            head, buffer = buffer.split(b'\r\n\r\n', 1)
            lines = head.decode('latin-1').split('\r\n')
            method, path, _ = lines[0].split(' ')
            fields = dict(line.lower().split(': ', 1) for line in lines[1:])
            length = int(fields.get('content-length', '0'))
            body, buffer = read_exactly(connection, length, buffer[:length]), buffer[length:]
            if method == 'PUT':
                values[path] = body
                connection.sendall(b'HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n')
            else:
                value = values[path]
                connection.sendall(f'HTTP/1.1 200 OK\r\nContent-Length: {len(value)}\r\n\r\n'.encode())
                connection.sendall(value)


def main():
    with socket.create_server((sys.argv[1], int(sys.argv[2])), backlog=16) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, sys.argv[3].encode())
        print('ready', flush=True)
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=answer_requests, args=(connection,), daemon=True).start()


if __name__ == '__main__':
    main()
