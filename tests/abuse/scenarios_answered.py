"""epm = answer: the balancer is the endpoint mapper, and its clients are
hostile."""
import random
import socket
import struct
import threading
import time

import rpc
from scenarios_rpc_clients import play_corrupted
from world import (check, connect, ending, reset, scenario, send_all,
                   until)

MAP = rpc.map_request(rpc.EMSMDB)
ABUSERS = r'127\.0\.[4-9]\.\d+:\d+'


def begin(here):
    here.settings['rpc']['epm'] = 'answer'
    for name in 'cas1', 'cas2':
        here.sim(name)
    here.start('cas1', 'cas2')
    here.neighbours()


def bound(here, **more):
    """A connection to the endpoint mapper, bound."""
    sock = connect(135, here.abuser())
    sock.sendall(rpc.bind_of([rpc.EPM], **more))
    kind, _, body = rpc.read_pdu(sock)
    check(kind == rpc.BIND_ACK, f'a PDU of type {kind}')
    return sock, body


def answers(sock, calls):
    """Send them all, and read what comes for each."""
    thread = threading.Thread(target=send_all, args=(sock, b''.join(calls)))
    thread.start()
    found = [rpc.read_pdu(sock) for _ in calls]
    thread.join()
    return found


def bounded(here, rss_kib, most_kib=8192):
    grown_kib = here.rss_kib() - rss_kib
    if here.is_asan:
        most_kib *= 4
    check(grown_kib < most_kib, f'memory grew by {grown_kib} KiB')


def all_bounded(here, rss_kib, socks):
    for sock in socks:
        sock.close()
    bounded(here, rss_kib)


@scenario
def answered_floods(here):
    begin(here)
    rss_kib = here.rss_kib()
    with here.case('3,000 calls of ept_map at once on a connection'):
        sock, _ = bound(here)
        found = answers(sock, [rpc.request(rpc.EPT_MAP, MAP, number)
                               for number in range(3000)])
        check([call for _, call, _ in found] == list(range(3000)),
              'answers are missing, or in another order')
        check(all(kind == rpc.RESPONSE and rpc.mapped_port(body[8:])
                  for kind, _, body in found), 'not all name a port')
        sock.close()
    for most in 0, 1, 500:
        with here.case(f'500 lists of at most {most} entries'):
            sock, _ = bound(here)
            found = answers(sock, [
                rpc.request(rpc.EPT_LOOKUP, rpc.lookup_request(most), number)
                for number in range(500)])
            check({kind for kind, _, _ in found} == {rpc.RESPONSE}, 'faults')
            n, = struct.unpack_from('<I', found[-1][2], 8 + 20)
            check(n == min(most, 4), f'{n} entries')
            sock.close()
    for most in 501, 0xffffffff:
        with here.case(f'a list of at most {most} entries: a fault'):
            sock, _ = bound(here)
            kind, _, _ = answers(sock, [rpc.request(
                rpc.EPT_LOOKUP, rpc.lookup_request(most))])[0]
            check(kind == rpc.FAULT, f'a PDU of type {kind}')
            sock.close()
    with here.case('lists that go on by forged handles'):
        play_forged(here)
    with here.case('a storm of alter_context'):
        sock, _ = bound(here)
        found = answers(sock, [rpc.bind_of([rpc.EPM, rpc.SAMR] * 20,
                                           kind=rpc.ALTER, call=number)
                               for number in range(2000)])
        check({kind for kind, _, _ in found} == {rpc.ALTER_ACK}, 'no ack')
        sock.close()
    with here.case('a storm of binds on one connection'):
        sock, body = bound(here)
        group, = struct.unpack_from('<I', body, 4)
        found = answers(sock, [rpc.bind_of([rpc.EPM], call=number,
                                           group=group)
                               for number in range(2000)])
        check({kind for kind, _, _ in found} == {rpc.BIND_ACK}, 'no ack')
        sock.close()
    with here.case('insert, delete and unknown operations: faults'):
        sock, _ = bound(here)
        found = answers(sock, [rpc.request(opnum, MAP, opnum)
                               for opnum in (0, 1, 5, 6, 7, 200, 65535)])
        check({kind for kind, _, _ in found} == {rpc.FAULT}, f'{found}')
        sock.close()
    with here.case('nothing of them is left'):
        bounded(here, rss_kib)


def play_forged(here):
    rng = random.Random(5)
    ours = struct.pack('<II', 0, 0x6d617062)
    handles = [ours + struct.pack('<III', place, 0, 0)
               for place in (0, 1, 3, 4, 1023, 1024, 0x7fffffff, 0xffffffff)]
    handles += [rng.randbytes(20) for _ in range(200)]
    sock, _ = bound(here)
    found = answers(sock, [
        rpc.request(rpc.EPT_LOOKUP, rpc.lookup_request(10, handle))
        for handle in handles])
    check({kind for kind, _, _ in found} == {rpc.RESPONSE}, 'faults')
    status = [struct.unpack_from('<I', body, len(body) - 4)[0]
              for _, _, body in found]
    check(set(status[-200:]) == {rpc.EPT_INVALID_HANDLE}, f'{status}')
    sock.close()


@scenario
def answered_clients_misbehave(here):
    begin(here)
    before = here.descriptors()
    rss_kib = here.rss_kib()
    with here.case('10 clients that ask and never read'):
        since = here.mark()
        socks = [bound(here)[0] for _ in range(10)]
        some = b''.join(rpc.request(rpc.EPT_LOOKUP, rpc.lookup_request(500))
                        for _ in range(300))
        for sock in socks:
            sock.settimeout(1)
            pour(sock, some)
        until(lambda: len(here.lines('close', since, client=ABUSERS,
                                     reason='client-reset')) == 10,
              'they are reset')
        all_bounded(here, rss_kib, socks)
    with here.case('300 clients say half a call: held without harm'):
        socks = [bound(here)[0] for _ in range(300)]
        half = rpc.request(rpc.EPT_MAP, MAP)[:-1]
        for sock in socks:
            sock.sendall(half)
        began = here.cpu_s()
        time.sleep(0.3)
        check(here.cpu_s() - began < 0.25, 'they cost CPU')
        bounded(here, rss_kib)
        for sock in socks:
            reset(sock)
    with here.case('a call of 64 KiB octet by octet'):
        sock, _ = bound(here)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        whole = rpc.request(rpc.EPT_MAP, MAP + bytes(65000))
        sock.sendall(whole[:60000])
        for at in range(60000, len(whole)):
            sock.sendall(whole[at:at + 1])
        check(rpc.read_pdu(sock)[0] in (rpc.RESPONSE, rpc.FAULT), 'nothing')
        sock.close()
    for what, octets in (('no RPC', b'GET / HTTP/1.1\r\n\r\n' * 9),
                         ('the first of several fragments',
                          rpc.pdu(rpc.REQUEST, bytes(8) + MAP, 1, rpc.FIRST)),
                         ('an answer', rpc.response(MAP, 1)),
                         ('a bind of 65 contexts',
                          rpc.bind_of([rpc.EPM] * 65, kind=rpc.ALTER))):
        with here.case(f'{what} after the bind: reset'):
            since = here.mark()
            sock, _ = bound(here)
            name = '%s:%d' % sock.getsockname()
            send_all(sock, octets)
            check(ending(sock) == 'reset', 'it was not reset')
            line = here.wait_log('close', since, client=name)
            check(line['reason'] == 'not-rpc', f'{line}')
    with here.case('stubs of every kind: an answer or a fault'):
        rng = random.Random(3)
        sock, _ = bound(here)
        calls = [rpc.request(rng.choice((2, 3, 4)),
                             rng.randbytes(rng.randrange(300)))
                 for _ in range(1000)]
        calls += [rpc.request(rpc.EPT_MAP, octets)
                  for octets in rpc.flips(MAP)]
        calls += [rpc.request(rpc.EPT_MAP, MAP[:at])
                  for at in range(len(MAP))]
        calls += [rpc.request(rpc.EPT_LOOKUP, octets)
                  for octets in rpc.flips(rpc.lookup_request(500))]
        found = answers(sock, calls)
        check({kind for kind, _, _ in found} ==
              {rpc.RESPONSE, rpc.FAULT}, 'something else')
        sock.close()
    with here.case('NDR64 alone is refused in the bind_ack'):
        _, body = bound(here, transfer=(rpc.NDR64,))
        check(struct.unpack_from('<H', body, len(body) - 24)[0] == 2,
              'it was accepted')
    with here.case('a group that nobody gave: a bind_nak'):
        since = here.mark()
        sock = connect(135, here.abuser())
        sock.sendall(rpc.bind_of([rpc.EPM], group=0x7777))
        kind, _, _ = rpc.read_pdu(sock)
        check(kind == rpc.BIND_NAK, f'a PDU of type {kind}')
        check(ending(sock) == 'closed', 'reset after the answer')
        here.wait_log('close|refuse', since, reason='group-gone')
    with here.case('authenticated binds go to the server'):
        since = here.mark()
        for _ in range(50):
            sock = connect(135, here.abuser())
            sock.sendall(rpc.with_auth(rpc.bind(),
                                       b'NTLMSSP\0\1\0\0\0' + bytes(20)))
            kind, _, _ = rpc.read_pdu(sock)
            check(kind in (rpc.BIND_ACK, rpc.BIND_NAK), f'{kind}')
            sock.close()
        check(all(line['to'].endswith(':135') for line in
                  here.lines('open', since, client=ABUSERS)), 'no server')
    with here.case('nothing of them is left'):
        until(lambda: here.descriptors() <= before + 10, 'descriptors')
        bounded(here, rss_kib)


def pour(sock, octets):
    """Until the other side has had enough."""
    try:
        while True:
            sock.sendall(octets)
    except OSError:
        pass


@scenario
def answered_corrupted(here):
    here.settings['balancer']['log-users'] = 'hash'
    begin(here)
    play_corrupted(here)
