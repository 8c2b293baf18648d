"""A port scan: which ports of an address accept, which refuse, which are
silent.

Layer: tests/e2e.
"""

import errno
import select
import socket
import time

BATCH = 400			# connects in flight
SECONDS = 3			# after which a port is silent


def scan(host, ports, source=None):
    """Connect to every port: (those that accepted, those that said nothing).
    A port in neither list refused with a reset, at once."""
    accepted, silent = [], []
    ports = list(ports)
    for at in range(0, len(ports), BATCH):
        scan_batch(host, source, ports[at:at + BATCH], accepted, silent)
    return accepted, silent


def scan_batch(host, source, ports, accepted, silent):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    poll = select.epoll()
    waiting = {}
    for port in ports:
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        if source:
            sock.bind((source, 0))
        error = sock.connect_ex((host, port))
        if error == errno.EINPROGRESS:
            waiting[sock.fileno()] = (sock, port)
            poll.register(sock, select.EPOLLOUT)
            continue
        sort(sock, port, error, accepted, silent)
    end = time.monotonic() + SECONDS
    while waiting and time.monotonic() < end:
        for fd, _ in poll.poll(0.1):
            sock, port = waiting.pop(fd)
            poll.unregister(fd)
            error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            sort(sock, port, error, accepted, silent)
    for sock, port in waiting.values():
        sort(sock, port, errno.ETIMEDOUT, accepted, silent)
    poll.close()


def sort(sock, port, error, accepted, silent):
    # a reset, not a refusal: the connection was complete before
    if error in (0, errno.ECONNRESET):
        accepted.append(port)
    elif error != errno.ECONNREFUSED:
        silent.append(port)
    sock.close()
