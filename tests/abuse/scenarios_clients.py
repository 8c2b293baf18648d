"""Clients that misbehave."""
import os
import random
import socket
import struct
import threading
import time

import rpc
from world import VIP, check, connect, ending, reset, run, scenario, until

TLS_HELLO = bytes.fromhex(
    '16030100c8010000c40303' + '5a' * 32 + '20' + '5b' * 32
    + '0006130113021303' + '0100' + '0075' + '00' * 117)


def with_header(length, auth=0):
    """A bind whose header says what is not so."""
    whole = bytearray(rpc.bind())
    whole[8:10] = length.to_bytes(2, 'little')
    whole[10:12] = auth.to_bytes(2, 'little')
    return bytes(whole)


def send_all(sock, octets):
    """The other side may have had enough before the end."""
    try:
        sock.sendall(octets)
    except (BrokenPipeError, ConnectionResetError):
        pass


def then_wait(sock):
    """Silence, then a clean end."""
    time.sleep(0.1)
    sock.close()


def then_fin(sock):
    sock.shutdown(socket.SHUT_WR)
    ending(sock)


GARBAGE = {
    'random octets': (lambda: random.Random(7).randbytes(40000), then_wait),
    'HTTP': (lambda: b'GET / HTTP/1.1\r\nHost: x\r\n\r\n', then_wait),
    'a TLS hello': (lambda: TLS_HELLO, then_wait),
    'frag_length 0': (lambda: with_header(0), then_wait),
    'frag_length 65535': (lambda: with_header(65535) + bytes(70000),
                          then_wait),
    'a giant auth_length': (lambda: with_header(72, 65535), then_wait),
    'half a PDU, then silence': (lambda: rpc.bind()[:20], then_wait),
    'half a PDU, then FIN': (lambda: rpc.bind()[:20], then_fin),
    'half a PDU, then RST': (lambda: rpc.bind()[:20], reset),
    'half a header, then RST': (lambda: rpc.bind()[:7], reset),
}
ENDS = 'client-closed|server-closed|client-reset|server-reset'


def one_octet_at_a_time(here, port, source):
    """Slow, but right: it is served."""
    sock = connect(port, source)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    interface = rpc.EPM if port == 135 else rpc.EMSMDB
    for octet in rpc.bind(interface):
        sock.sendall(bytes([octet]))
        time.sleep(0.001)
    check(rpc.read_pdu(sock)[0] == rpc.BIND_ACK, 'the bind is answered')
    sock.close()


def play_garbage(here, port, name, octets, end):
    source = here.abuser()
    since = here.mark()
    sock = connect(port, source)
    where = sock.getsockname()
    client = f'{where[0]}:{where[1]}'
    send_all(sock, octets)
    end(sock)
    line = here.wait_log('close', since, client=client)
    check(line['reason'] in ENDS.split('|'), f'{name}: {line}')
    if end is reset:
        check(line['reason'] in ('client-reset', 'server-closed'),
              f'{name}: {line}')


@scenario
def garbage(here):
    here.sim('cas1')
    here.start('cas1')
    here.neighbours()
    dynamic = rpc.port_of(VIP, here.abuser())
    for port, at in (135, '135'), (dynamic, 'a dynamic port'):
        for name, (octets, end) in GARBAGE.items():
            with here.case(f'{name} on {at}'):
                play_garbage(here, port, name, octets(), end)
        with here.case(f'one octet at a time on {at}'):
            one_octet_at_a_time(here, port, here.abuser())


@scenario
def silent_clients(here):
    here.sim('cas1')
    here.start('cas1')
    here.neighbours()
    before = here.descriptors()
    with here.case('300 clients send nothing'):
        rss_kib = here.rss_kib()
        socks = [connect(135, here.abuser()) for _ in range(300)]
        until(lambda: here.descriptors() >= before + 600 - 20,
              'all are connected on')
        grown_kib = here.rss_kib() - rss_kib
        check(grown_kib < (300 if not here.is_asan else 6000),
              f'memory grew by {grown_kib} KiB')
        cpu_s = here.cpu_s()
        time.sleep(0.5)
        used_s = here.cpu_s() - cpu_s
        check(used_s < 0.4, f'{used_s} s of CPU in 0.5 s')
    with here.case('they go away, nothing of them is left'):
        for sock in socks:
            sock.close()
        until(lambda: here.descriptors() <= before + 20, 'descriptors')
        until(lambda: len(here.lines('close', client=r'127\.0\.[45]\..*',
                                     reason='client-closed')) == 300,
              '300 lines say client-closed')


class Firehose:
    """A server that sends for ever, and one that never reads."""

    def __init__(self, here, name):
        self.sent = 0
        address = here.address(name)
        self.hose = rpc.Server(address, 0, self.pour)
        self.wall = rpc.Server(address, 0, self.ignore)
        self.whole = rpc.Server(address, 0, self.pour_some)
        self.mapper = rpc.Mapper(address, [
            rpc.tower(rpc.EMSMDB, server.port, address)
            for server in (self.hose, self.wall, self.whole)])

    def pour(self, sock):
        while True:
            self.sent += sock.send(bytes(65536))

    def ignore(self, sock):
        threading.Event().wait(60)

    SOME = 32 << 20

    def pour_some(self, sock):
        """A stream whose octets say where they are."""
        for at in range(0, self.SOME, 1 << 16):
            sock.sendall(struct.pack('>I', at) * (1 << 14))
        sock.close()


def is_whole(sock):
    """All of pour_some() came, in order."""
    sock.settimeout(20)
    for at in range(0, Firehose.SOME, 1 << 16):
        wanted = struct.pack('>I', at) * (1 << 14)
        if rpc.receive(sock, 1 << 16) != wanted:
            return False
    return sock.recv(1) == b''


def flood_in(sock, seconds):
    """Send until the other side takes no more for that long."""
    sock.settimeout(seconds)
    try:
        while True:
            sock.send(bytes(1 << 16))
    except socket.timeout:
        pass


def stops_growing(value, what):
    """<value>() stays the same for 0.3 s."""
    def is_still():
        before = value()
        time.sleep(0.3)
        return value() == before

    until(is_still, what)


@scenario
def who_never_reads(here):
    here.sim('cas1')
    here.start('cas1')
    here.neighbours()
    hose = Firehose(here, 'cas2')
    here.join('cas2')
    bound_kib = 8192 if not here.is_asan else 24576
    rss_kib = here.rss_kib()
    with here.case('20 clients never read what a server pours'):
        socks = [connect(hose.hose.port, here.abuser()) for _ in range(20)]
        until(lambda: hose.hose.accepted == 20, 'connected')
        stops_growing(lambda: hose.sent, 'the server is held back')
        check(hose.sent > 5 << 20, f'only {hose.sent} octets went out')
        grown_kib = here.rss_kib() - rss_kib
        check(grown_kib < bound_kib, f'memory grew by {grown_kib} KiB')
    with here.case('a server never reads what 20 clients pour'):
        more = [connect(hose.wall.port, here.abuser()) for _ in range(20)]
        threads = [threading.Thread(target=flood_in, args=(sock, 0.5))
                   for sock in more]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        grown_kib = here.rss_kib() - rss_kib
        check(grown_kib < bound_kib, f'memory grew by {grown_kib} KiB')
    with here.case('the stalled ones cost no CPU'):
        began = here.cpu_s()
        time.sleep(0.5)
        used_s = here.cpu_s() - began
        check(used_s < 0.4, f'{used_s} s of CPU in 0.5 s')
    with here.case('they are reset and named'):
        since = here.mark()
        for sock in socks + more:
            reset(sock)
        until(lambda: len(here.lines('close', since, server='cas2',
                                     reason='client-reset')) == 40,
              '40 lines say client-reset')
    with here.case('without a descriptor for a pipe bulk is copied'):
        sock = connect(hose.whole.port, here.abuser())
        here.limit_descriptors(here.highest_descriptor() + 1)
        check(is_whole(sock), 'octets were lost')
        here.limit_descriptors(4096)
        sock.close()
