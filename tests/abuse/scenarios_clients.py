"""Clients that misbehave."""
import random
import socket
import struct
import threading
import time

import rpc
from world import (VIP, check, connect, ending, hold_syn, reset, run,
                   scenario, send_all, until)

TLS_HELLO = bytes.fromhex(
    '16030100c8010000c40303' + '5a' * 32 + '20' + '5b' * 32
    + '0006130113021303' + '0100' + '0075' + '00' * 117)


def with_header(length, auth=0):
    """A bind whose header says what is not so."""
    whole = bytearray(rpc.bind())
    whole[8:10] = length.to_bytes(2, 'little')
    whole[10:12] = auth.to_bytes(2, 'little')
    return bytes(whole)


def then_wait(sock):
    """Silence, then a clean end."""
    time.sleep(0.1)
    sock.close()


def then_fin(sock):
    sock.shutdown(socket.SHUT_WR)
    ending(sock)


# What it is: whether it is no RPC, its octets, how it ends.
GARBAGE = {
    'random octets': (True, lambda: random.Random(7).randbytes(40000),
                      then_wait),
    'HTTP': (True, lambda: b'GET / HTTP/1.1\r\nHost: x\r\n\r\n', then_wait),
    'a TLS hello': (True, lambda: TLS_HELLO, then_wait),
    'frag_length 0': (True, lambda: with_header(0), then_wait),
    'frag_length 65535': (True, lambda: with_header(65535) + bytes(70000),
                          then_wait),
    'a giant auth_length': (True, lambda: with_header(72, 65535), then_wait),
    'half a PDU, then silence': (False, lambda: rpc.bind()[:20], then_wait),
    'half a PDU, then FIN': (False, lambda: rpc.bind()[:20], then_fin),
    'half a PDU, then RST': (False, lambda: rpc.bind()[:20], reset),
    'half a header, then RST': (False, lambda: rpc.bind()[:7], reset),
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


def play_garbage(here, port, name, are_limited):
    is_no_rpc, octets, end = GARBAGE[name]
    source = here.abuser()
    since = here.mark()
    sock = connect(port, source)
    where = sock.getsockname()
    client = f'{where[0]}:{where[1]}'
    send_all(sock, octets())
    end(sock)
    line = here.wait_log('close', since, client=client)
    wanted = ENDS.split('|')
    if are_limited and is_no_rpc:
        wanted = ['not-rpc']
    elif end is reset:
        wanted = ['client-reset', 'server-closed']
    check(line['reason'] in wanted, f'{name}: {line}')


def play_all_garbage(here, are_limited):
    here.sim('cas1')
    here.start('cas1')
    here.neighbours()
    dynamic = rpc.port_of(VIP, here.abuser())
    for port, at in (135, '135'), (dynamic, 'a dynamic port'):
        for name in GARBAGE:
            with here.case(f'{name} on {at}'):
                play_garbage(here, port, name, are_limited)
        with here.case(f'one octet at a time on {at}'):
            one_octet_at_a_time(here, port, here.abuser())
    return dynamic


@scenario
def garbage(here):
    """It reaches the server, which deals with it."""
    here.take_anything()
    play_all_garbage(here, are_limited=False)


@scenario
def garbage_refused(here):
    """What is no RPC never reaches a server of which only some interfaces may
    be used."""
    dynamic = play_all_garbage(here, are_limited=True)
    with here.case('a flood of no RPC ends at once'):
        since = here.mark()
        socks = [connect(port, here.abuser())
                 for port in (135, dynamic) for _ in range(10)]
        for sock in socks:
            check(flood_is_cut(sock), 'it takes and takes')
        until(lambda: len(here.lines('close', since,
                                     reason='not-rpc')) == len(socks),
              'all lines say not-rpc')
    with here.case('a flood of calls without a bind reaches the server'):
        since = here.mark()
        call = rpc.request(0, bytes(5000))
        sock = connect(dynamic, here.abuser())
        name = sock.getsockname()
        send_all(sock, call * 400)
        sock.close()
        line = here.wait_log('close', since, client='%s:%d' % name,
                             port=dynamic)
        check(line['reason'] in ENDS.split('|'), f'{line}')


def flood_is_cut(sock):
    """No more is taken soon."""
    sock.settimeout(5)
    try:
        for _ in range(1000):
            sock.send(bytes(1 << 16))
    except (BrokenPipeError, ConnectionResetError):
        return True
    return False


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
        """When asked, a stream whose octets say where they are."""
        rpc.receive(sock, 1)
        for at in range(0, self.SOME, 1 << 16):
            sock.sendall(struct.pack('>I', at) * (1 << 14))
        sock.close()


def is_whole(sock):
    """All of pour_some() came, in order."""
    sock.settimeout(20)
    sock.sendall(b'?')
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
    here.take_anything()
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


@scenario
def pipes_refused(here):
    here.take_anything()
    here.sim('cas1')
    here.start('cas1')
    here.neighbours(fresh=False)
    hose = Firehose(here, 'cas2')
    here.join('cas2')
    source = here.abuser()
    with here.case('without a descriptor for a pipe bulk is copied'):
        sock = connect(hose.whole.port, source)
        until(lambda: hose.whole.accepted == 1, 'connected')
        here.leave_descriptors(0)
        check(is_whole(sock), 'octets were lost')
        check(not here.pipes(), f'{here.pipes()} descriptors of pipes')
        sock.close()
    with here.case('with one it is spliced'):
        here.limit_descriptors()
        check(is_whole(connect(hose.whole.port, source)), 'octets were lost')
        check(here.pipes(), 'no pipe was used')


class Fickle:
    """A server that ends each connection in the way and at the moment that
    the port says."""

    def __init__(self, here, name):
        address = here.address(name)
        self.ways = {
            'resets at once': reset,
            'closes at once': lambda sock: sock.close(),
            'resets after the first octet': self.after(1),
            'resets in mid-PDU': self.after(30),
            'answers half a PDU and resets': self.half(reset),
            'answers half a PDU and closes': self.half(lambda s: s.close()),
            'resets after the FIN': self.after_fin,
        }
        self.servers = {what: rpc.Server(address, 0, serve)
                        for what, serve in self.ways.items()}
        self.mapper = rpc.Mapper(address, [
            rpc.tower(rpc.EMSMDB, server.port, address)
            for server in self.servers.values()])

    @staticmethod
    def after(octets):
        def serve(sock):
            rpc.receive(sock, octets)
            reset(sock)

        return serve

    @staticmethod
    def half(end):
        def serve(sock):
            rpc.read_pdu(sock)
            sock.sendall(rpc.bind_ack(1)[:30])
            end(sock)

        return serve

    @staticmethod
    def after_fin(sock):
        while sock.recv(65536):
            pass
        reset(sock)


def meet_fickle(here, what, port):
    """A client hears of it; a line says who it was."""
    since = here.mark()
    try:
        sock = connect(port, here.abuser())
        send_all(sock, rpc.bind(rpc.EMSMDB))
        if 'FIN' in what:
            sock.shutdown(socket.SHUT_WR)
        end = ending(sock)
        sock.close()
    except ConnectionResetError:
        end = 'reset'
    check(end == 'reset' or 'close' in what, f'the client was {end}')
    # A reset may come before the dial is noticed to have succeeded.
    line = until(lambda: here.lines('close|refuse', since, port=port),
                 'a line says so')[-1]
    wanted = {'server-closed', 'server-reset'}
    if 'at once' in what:
        wanted.add('connect-refused')
    check(line['reason'] in wanted, f'{line}')


def client_resets(here, port, delay_s, octets, has_finished):
    """A client that resets after a while, having sent that much."""
    sock = connect(port, here.abuser())
    if octets:
        sock.sendall(octets)
    if has_finished:
        sock.shutdown(socket.SHUT_WR)
    time.sleep(delay_s)
    reset(sock)


@scenario
def resets(here):
    here.sim('cas1')
    here.start('cas1')
    here.neighbours()
    fickle = Fickle(here, 'cas2')
    here.join('cas2')
    before = here.descriptors()
    dynamic = rpc.port_of(VIP, '127.0.2.1')
    for what, server in fickle.servers.items():
        with here.case(f'a server {what}'):
            meet_fickle(here, what, server.port)
    whole = rpc.bind()
    with here.case('clients reset at every moment'):
        for port in 135, dynamic:
            for delay_ms in 0, 0.2, 0.5, 1, 2, 5, 20:
                for octets in b'', whole[:1], whole[:30], whole, whole * 400:
                    for has_finished in False, True:
                        client_resets(here, port, delay_ms / 1000, octets,
                                      has_finished)
    with here.case('both sides reset at once'):
        port = fickle.servers['resets after the first octet'].port
        for step in range(50):
            sock = connect(port, here.abuser())
            send_all(sock, b'.')
            time.sleep(step * 0.00005)
            reset(sock)
    with here.case('clients reset while the server is being dialled'):
        hold_syn(here.address('cas2'))
        port = fickle.servers['closes at once'].port
        for step in range(20):
            sock = connect(port, here.abuser())
            time.sleep(step * 0.002)
            reset(sock)
        run('nft', 'flush', 'ruleset')
    with here.case('nothing is left of all of them'):
        until(lambda: here.descriptors() <= before + 20, 'descriptors')
        until(lambda: len(here.lines('close')) + 20 > len(here.lines('open')),
              'what was opened was closed')
