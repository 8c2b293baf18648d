"""Clients behind one address, and clients without a lease."""
import socket
import struct
import time

import rpc
from world import (VIP, attempt, check, connect, ending, is_bound,
                   is_refused, reset, scenario, until)

GATEWAY = '127.0.40.1'
FROM_GATEWAY = r'127\.0\.40\.\d+:\d+'


def group_of(sock):
    """The association group that the answer to a bind gives."""
    kind, _, body = rpc.read_pdu(sock)
    check(kind == rpc.BIND_ACK, f'a PDU of type {kind}')
    return struct.unpack_from('<I', body, 4)[0]


def ends_with(here, since, reason, n):
    until(lambda: len(here.lines('refuse', since, client=FROM_GATEWAY,
                                 reason=reason)) >= n,
          f'{n} lines say {reason}')


@scenario
def shared_address(here):
    here.settings['affinity']['shared-addresses'] = '127.0.40.0/24'
    for name in 'cas1', 'cas2':
        here.sim(name)
    here.start('cas1', 'cas2')
    here.neighbours()
    before = here.descriptors()
    rss_kib = here.rss_kib()
    since = here.mark()
    began = time.monotonic()
    half = rpc.bind()[:-1]
    silent = [connect(135, GATEWAY) for _ in range(40)]
    halves = [connect(135, GATEWAY) for _ in range(40)]
    late = [connect(135, GATEWAY) for _ in range(10)]
    for sock in halves:
        sock.sendall(half)
    with here.case('who says nothing is led nowhere yet, others are served'):
        for _ in range(20):
            rpc.port_of(VIP, GATEWAY)
        check(not here.lines('refuse', since), 'refused too early')
    with here.case('200 that reset after half a bind'):
        for _ in range(200):
            sock = connect(135, GATEWAY)
            sock.sendall(half)
            reset(sock)
        ends_with(here, since, 'client-(reset|closed)', 90)
    with here.case('100 that finish after half a bind'):
        for _ in range(100):
            sock = connect(135, GATEWAY)
            sock.sendall(half)
            sock.shutdown(socket.SHUT_WR)
            ending(sock)
            sock.close()
        ends_with(here, since, 'client-(reset|closed)', 180)
    with here.case('what is no RPC: reset, not-rpc'):
        for octets in b'GET / HTTP/1.1\r\n\r\n', bytes(100), b'\x05\x07':
            sock = connect(135, GATEWAY)
            sock.sendall(octets)
            check(ending(sock) == 'reset', 'it was not reset')
        ends_with(here, since, 'not-rpc', 3)
    with here.case('a group that does not exist: the server says so'):
        for number in 1, 0x7777, 0xffffffff:
            sock = connect(135, GATEWAY)
            sock.sendall(rpc.bind_of([rpc.EPM], group=number))
            kind = rpc.read_pdu(sock)[0]
            check(kind in (rpc.BIND_NAK, rpc.FAULT, rpc.BIND_ACK), f'{kind}')
            sock.close()
    with here.case('a group whose issuer is gone: a bind_nak, group-gone'):
        play_group_gone(here)
    with here.case('after 5 s they are reset, the lines say no-bind'):
        for sock in late:
            sock.sendall(rpc.bind())
            check(rpc.read_pdu(sock)[0] == rpc.BIND_ACK, 'not served')
            sock.close()
        for sock in silent + halves:
            check(ending(sock) == 'reset', 'closed without a reset')
        took = time.monotonic() - began
        check(4.9 < took < 12, f'after {took:.1f} s')
        ends_with(here, since, 'no-bind', 80)
    with here.case('nothing of them is left'):
        until(lambda: here.descriptors() <= before + 20, 'descriptors')
        grown_kib = here.rss_kib() - rss_kib
        check(grown_kib < (4096 if not here.is_asan else 16384),
              f'memory grew by {grown_kib} KiB')


def play_group_gone(here):
    """cas3 gives a group and goes."""
    here.sim('cas3')
    here.join('cas3')
    for turn in range(30):
        source = f'127.0.40.{50 + turn}'
        sock = connect(135, source)
        name = '%s:%d' % sock.getsockname()
        sock.sendall(rpc.bind())
        group = group_of(sock)
        server = here.wait_log('open', client=name)['server']
        sock.close()
        if server == 'cas3':
            break
    check(server == 'cas3', 'nobody is given to cas3')
    since = here.mark()
    del here.servers['cas3']
    here.reload()
    here.kill_sim('cas3')

    def is_told():
        sock = connect(135, source)
        sock.sendall(rpc.bind_of([rpc.EPM], group=group))
        kind = rpc.read_pdu(sock)[0]
        sock.close()
        return kind == rpc.BIND_NAK and here.lines('refuse', since,
                                                   reason='group-gone')

    until(is_told, 'a bind_nak')


def begin_leased(here, *names, **balancer):
    """The daemon was here before: it need not be lenient."""
    here.settings['rpc']['admit'] = 'leased'
    here.settings['balancer'].update(balancer)
    for name in names:
        here.sim(name)
    here.start(*names)
    here.daemon.kill(15)
    check(here.daemon.wait() == 0, 'exit status')
    here.start()
    here.neighbours()


@scenario
def scan_without_a_lease(here):
    begin_leased(here, 'cas1')
    scanner, other = here.abuser(), here.abuser()
    port = rpc.port_of(VIP, other)
    with here.case('a scan of 12,000 ports finds 135 and nothing else'):
        found = [each for each in (135, *range(19000, 31000), 65535)
                 if not is_refused(each, scanner)]
        check(found == [135], f'{found}')
        check(is_bound(port, other), 'who has a lease is not served')
    with here.case('the kernel counts what it refused'):
        here.wait_log('refused-by-kernel')
    with here.case('who was told of one port gets that one'):
        check(rpc.port_of(VIP, scanner) == port, 'another port')
        found = [each for each in range(20000, 30000)
                 if not is_refused(each, scanner)]
        check(found in ([port], []) and is_bound(port, scanner), f'{found}')
    with here.case('a client that collects leases for everything'):
        caller = rpc.Caller(VIP, scanner)
        for interface in rpc.ALLOWED * 50:
            caller.port_of(interface)
        for number in range(50):
            caller.sock.sendall(rpc.request(rpc.EPT_LOOKUP,
                                            rpc.lookup_request(500), number))
            check(rpc.read_pdu(caller.sock)[0] == rpc.RESPONSE, 'a fault')
        found = [each for each in range(19000, 31000)
                 if not is_refused(each, scanner)]
        check(len(found) <= 4, f'{found}')
        caller.close()
    with here.case('a server that gives leases for thousands of ports'):
        play_many_leases(here)


def play_many_leases(here):
    """1,000 ports are announced, and one client is told of all."""
    towers = [rpc.tower(rpc.EMSMDB, 40000 + n, here.address('cas2'))
              for n in range(1000)]
    mapper = rpc.Mapper(here.address('cas2'), towers)
    here.states['cas1'] = 'drain'
    here.join('cas2')
    source = here.abuser()
    caller = rpc.Caller(VIP, source, timeout=20)
    handle, n = rpc.NIL, 0
    while True:
        caller.sock.sendall(rpc.request(
            rpc.EPT_LOOKUP, rpc.lookup_request(100, handle), 9))
        kind, _, body = rpc.read_pdu(caller.sock)
        check(kind == rpc.RESPONSE, f'a PDU of type {kind}')
        handle = body[8:28]
        n += struct.unpack_from('<I', body, 28)[0]
        if handle == rpc.NIL:
            break
    check(n == 1000, f'{n} entries')
    check(attempt(40500, source) == 'reset', 'he may not come')
    check(attempt(40500, here.abuser()) == 'refused', 'everybody may come')
    caller.close()
    mapper.close()


@scenario
def lease_table_full(here):
    here.settings['affinity']['entries'] = '100'  # and 400 leases
    begin_leased(here, 'cas1')
    rss_kib = here.rss_kib()
    first = here.abuser()
    port = rpc.port_of(VIP, first)
    kept = connect(port, first)
    kept.sendall(rpc.bind(rpc.EMSMDB))
    rpc.read_pdu(kept)
    idle = here.abuser()
    check(rpc.port_of(VIP, idle) == port and is_bound(port, idle), 'no lease')
    with here.case('1,000 clients take 4 leases each'):
        for _ in range(1000):
            caller = rpc.Caller(VIP, here.abuser())
            for interface in rpc.ALLOWED:
                caller.port_of(interface)
            caller.close()
        grown_kib = here.rss_kib() - rss_kib
        check(grown_kib < (4096 if not here.is_asan else 16384),
              f'memory grew by {grown_kib} KiB')
    with here.case('a lease in use is kept, an old one made room'):
        check(is_bound(port, first), 'a live client lost its lease')
        check(is_refused(port, idle), 'nothing made room')
    with here.case('who asks again is served again'):
        check(rpc.port_of(VIP, idle) == port, 'another port')
        check(is_bound(port, idle), 'not served')
    kept.close()
