"""Endpoint mappers that misbehave towards clients, whose answers the balancer
reads and writes over. The balancer's own questions they answer well."""
import random
import struct
import threading
import time

import rpc
from world import (VIP, attempt, check, connect, scenario, send_all,
                   until)

FIRST_PORT = 40000


def honest(here, name='cas2', first=FIRST_PORT):
    """What it lists: all that clients use, so that the balancer need not ask
    for one."""
    return [rpc.tower(interface, first + n, here.address(name))
            for n, interface in enumerate(rpc.ALLOWED)]


def begin(here, interval='500ms'):
    """Neighbours on cas1, which takes no others: those are cas2's."""
    here.settings['check'] = {'interval': interval, 'timeout': '400ms'}
    here.sim('cas1')
    here.start('cas1')
    here.neighbours()
    mapper = rpc.Mapper(here.address('cas2'), honest(here))
    here.states['cas1'] = 'drain'
    here.join('cas2')
    here.wait_log('ports', admitted=9)
    return mapper


def on_map(act):
    """Misbehave when a client asks for an interface."""
    def answer(sock, opnum, call):
        if opnum != rpc.EPT_MAP:
            return False
        act(sock, call)
        return True

    return answer


def asked(here):
    """A connection on which ept_map was asked for."""
    caller = rpc.Caller(VIP, here.abuser(), timeout=20)
    caller.sock.sendall(rpc.request(rpc.EPT_MAP, rpc.map_request(rpc.EMSMDB),
                                    2))
    return caller.sock


def map_stub(port):
    return rpc.map_reply([rpc.tower(rpc.EMSMDB, port, '127.0.1.22')])


def bounded(here, rss_kib, most_kib=8192):
    grown_kib = here.rss_kib() - rss_kib
    if here.is_asan:
        most_kib *= 4
    check(grown_kib < most_kib, f'memory grew by {grown_kib} KiB')


# Answers that cannot be read. They are passed on as they are, and a line says
# that they were not read.

def endless_fragments(sock, call):
    for number in range(400):
        flags = rpc.FIRST if number == 0 else 0
        sock.sendall(rpc.response(bytes(5000), call, flags))


def ten_mib(sock, call):
    for number in range(200):
        flags = (rpc.FIRST if number == 0 else
                 rpc.LAST if number == 199 else 0)
        sock.sendall(rpc.response(bytes(52432), call, flags))


def tiny_fragments(sock, call):
    octets = map_stub(FIRST_PORT) * 2
    for at, octet in enumerate(octets):
        sock.sendall(rpc.response(bytes([octet]), call,
                                  rpc.FIRST if at == 0 else 0))


def one_tower(length, again):
    """Says those lengths of a tower of 75 octets."""
    def act(sock, call):
        stub = map_stub(FIRST_PORT)
        at = 20 + 16 + 4
        sock.sendall(rpc.response(
            stub[:at] + struct.pack('<II', length, again) + stub[at + 8:],
            call))

    return act


def wild_counts(claimed, most, offset, actual):
    def act(sock, call):
        sock.sendall(rpc.response(
            rpc.NIL + struct.pack('<IIII', claimed, most, offset, actual)
            + bytes(40), call))

    return act


def many_towers(sock, call):
    towers = [rpc.tower(rpc.EMSMDB, 50000 + n) for n in range(33)]
    sock.sendall(rpc.response(rpc.map_reply(towers), call))


def half_a_stub(sock, call):
    sock.sendall(rpc.response(map_stub(FIRST_PORT)[:50], call))


UNREAD = {
    'fragments without a last one': endless_fragments,
    'a stub of 10 MiB': ten_mib,
    'a fragment for each octet': tiny_fragments,
    'a tower of 4 GiB': one_tower(0xffffffff, 0xffffffff),
    'a tower of 2 GiB': one_tower(0x7fffffff, 0x7fffffff),
    'a tower whose lengths disagree': one_tower(75, 74),
    'a tower longer than the stub': one_tower(4000, 4000),
    '4 milliard towers': wild_counts(0xffffffff, 0xffffffff, 0, 0xffffffff),
    'an offset': wild_counts(1, 4, 0xfffffff0, 1),
    'counts that disagree': wild_counts(1, 4, 0, 3),
    '33 towers': many_towers,
    'half a stub': half_a_stub,
}


def wait_for_silence(sock, seconds=0.3):
    """Read for as long as something comes; how much it was."""
    n = 0
    sock.settimeout(seconds)
    try:
        while True:
            some = sock.recv(1 << 16)
            if not some:
                return n
            n += len(some)
    except (TimeoutError, ConnectionResetError):
        return n


@scenario
def unread_answers(here):
    mapper = begin(here)
    rss_kib = here.rss_kib()
    for what, act in UNREAD.items():
        with here.case(f'a server that answers with {what}'):
            since = here.mark()
            mapper.answer = on_map(act)
            sock = asked(here)
            here.wait_log('mapper-answer-unread', since, server='cas2')
            got = wait_for_silence(sock)
            check(got > 40, f'only {got} octets reached the client')
            if act is ten_mib:
                check(got > 10 << 20, f'{got} octets of 10 MiB')
            sock.close()
            bounded(here, rss_kib)
    mapper.close()


# Answers that are odd, but can be read.

def on_port(port):
    return lambda sock, call: sock.sendall(
        rpc.response(map_stub(port), call))


def told_port(here):
    """The port that a client is told of; 0: none."""
    sock = asked(here)
    kind, _, body = rpc.read_pdu(sock)
    check(kind == rpc.RESPONSE, f'a PDU of type {kind}')
    sock.close()
    try:
        return rpc.mapped_port(body[8:])
    except LookupError:
        return 0


def other_calls(sock, call):
    """Answers to what nobody asked, then the right one."""
    for number in 0, 1, 77, 0x7fffffff, 0xffffffff:
        if number != call:
            sock.sendall(rpc.response(map_stub(1), number))
    sock.sendall(rpc.response(map_stub(FIRST_PORT), call))


def two_answers(sock, call):
    sock.sendall(rpc.response(map_stub(FIRST_PORT), call) * 2)


def read_until_call(sock, call):
    while True:
        _, number, body = rpc.read_pdu(sock)
        if number == call:
            return rpc.mapped_port(body[8:])


@scenario
def odd_answers(here):
    mapper = begin(here)
    rss_kib = here.rss_kib()
    for port in 0, 135:
        with here.case(f'a tower that names port {port} is passed on'):
            mapper.answer = on_map(on_port(port))
            told = told_port(here)
            check(told == port, f'the client was told of {told}')
    for port in 65535, 1024:
        with here.case(f'port {port}: it is admitted before it is told'):
            mapper.answer = on_map(on_port(port))
            told = told_port(here)
            check(told == port, f'the client was told of {told}')
            end = attempt(port, here.abuser())
            check(end == 'reset', f'the connection was {end}')
    for port in 1, 1023:
        with here.case(f'port {port}, outside of the range: never told'):
            mapper.answer = on_map(on_port(port))
            told = told_port(here)
            check(told != port, f'the client was told of {told}')
            check(attempt(port, here.abuser()) == 'refused', 'it is open')
    with here.case('answers to what nobody asked'):
        mapper.answer = on_map(other_calls)
        sock = asked(here)
        told = read_until_call(sock, 2)
        check(told == FIRST_PORT, f'the client was told of {told}')
        sock.close()
    with here.case('two answers to one call'):
        mapper.answer = on_map(two_answers)
        sock = asked(here)
        told = read_until_call(sock, 2)
        check(told == FIRST_PORT, f'the client was told of {told}')
        sock.close()
    with here.case('an answer an octet a second is held without harm'):
        mapper.answer = on_map(an_octet_a_second)
        sock = asked(here)
        check(wait_for_silence(sock, 2) == 0, 'half an answer was told')
        sock.close()
    with here.case('half an answer, then the end: the client is told'):
        mapper.answer = on_map(half_and_end)
        sock = asked(here)
        wait_for_silence(sock, 2)
        sock.close()
        bounded(here, rss_kib)
    with here.case('an answer wrong in one octet'):
        play_corrupted_answers(here, mapper)
        bounded(here, rss_kib)
    mapper.close()


def an_octet_a_second(sock, call):
    for octet in rpc.response(map_stub(FIRST_PORT), call):
        sock.sendall(bytes([octet]))
        time.sleep(1)


def half_and_end(sock, call):
    sock.sendall(rpc.response(map_stub(FIRST_PORT), call)[:60])
    sock.close()


def play_corrupted_answers(here, mapper):
    """Many calls on a connection: what stands behind the header does not hide
    the next answer."""
    whole = list(rpc.flips(map_stub(FIRST_PORT)))
    left = iter(whole)
    mapper.answer = on_map(lambda sock, call: sock.sendall(
        rpc.response(next(left), call)))
    caller = rpc.Caller(VIP, here.abuser())
    n = 0
    for number in range(len(whole)):
        caller.sock.sendall(rpc.request(
            rpc.EPT_MAP, rpc.map_request(rpc.EMSMDB), 10 + number))
        kind, call, _ = rpc.read_pdu(caller.sock)
        n += kind == rpc.RESPONSE and call == 10 + number
    check(n == len(whole), f'{n} of {len(whole)} answers came')
    caller.close()


def flood_of_ports(here, mapper, calls):
    """Each answer names 32 ports that no other did."""
    lock = threading.Lock()
    first = [41000]

    def act(sock, call):
        with lock:
            first[0] += 32
            ports = range(first[0] - 32, first[0])
        sock.sendall(rpc.response(rpc.map_reply(
            [rpc.tower(rpc.EMSMDB, port) for port in ports]), call))

    mapper.answer = on_map(act)
    socks = [asked(here) for _ in range(calls)]
    for sock in socks:
        rpc.read_pdu(sock)
        sock.close()


@scenario
def answers_name_thousands_of_ports(here):
    here.settings['affinity']['timeout'] = '1s'  # ports linger as long
    mapper = begin(here, interval='1m')
    rss_kib = here.rss_kib()
    with here.case('of 3,200 ports 1,024 are taken, the rest is not told'):
        since = here.mark()
        flood_of_ports(here, mapper, 100)
        here.wait_log('virtual-ports-exhausted', since, server='cas2')
        lines = here.lines('virtual-ports-exhausted', since)
        check(len(lines) < 200, f'{len(lines)} lines')
        most = max(int(line['admitted']) for line in here.lines('ports'))
        check(500 < most < 1024 + 10, f'{most} ports are admitted')
        bounded(here, rss_kib)
    with here.case('none of them is left when its own list says so'):
        here.settings['check']['interval'] = '500ms'
        here.reload()

        def are_closed():
            here.reload()
            return int(here.lines('ports')[-1]['admitted']) < 10

        until(are_closed, 'they are closed')
    with here.case('it serves as before'):
        mapper.answer = on_map(on_port(FIRST_PORT))
        check(told_port(here) == FIRST_PORT, 'another port')
    mapper.close()


@scenario
def answers_use_up_a_narrow_range(here):
    here.settings['rpc']['virtual-ports'] = '50000-50063'
    mapper = begin(here, interval='1m')
    with here.case('a server that takes all 64 virtual ports is told no more'):
        since = here.mark()
        flood_of_ports(here, mapper, 10)
        here.wait_log('virtual-ports-exhausted', since, server='cas2')
        most = max(int(line['admitted']) for line in here.lines('ports'))
        check(most == 65, f'{most} ports are admitted')
    mapper.close()


# bind_ack and what comes instead of answers.

ACKS = {
    'no result': dict(results=0),
    '255 results': dict(results=255),
    'more results said than are there': dict(results=1, said=200),
    'fewer results said than are there': dict(results=3, said=1),
    'group 0': dict(group=0),
    'the largest group': dict(group=0xffffffff),
}


def bound(here, name='cas2'):
    """A bind, and the answer to it as it came."""
    sock = connect(135, here.abuser())
    sock.sendall(rpc.bind())
    head = rpc.receive(sock, 16)
    length, = struct.unpack_from('<H', head, 8)
    return sock, head + rpc.receive(sock, length - 16)


def on_bind(make):
    def answer(sock, opnum, call):
        if opnum != -1:
            return False
        sock.sendall(make(call))
        return True

    return answer


@scenario
def odd_bind_acks(here):
    here.settings['affinity']['entries'] = '400'
    mapper = begin(here, interval='1m')  # it is not asked, nor set aside
    rss_kib = here.rss_kib()
    for what, how in ACKS.items():
        with here.case(f'a bind_ack with {what} comes as it is'):
            mapper.answer = on_bind(lambda call: rpc.bind_ack(call, **how))
            sock, got = bound(here)
            check(got == rpc.bind_ack(1, **how), 'it was changed')
            sock.sendall(rpc.request(rpc.EPT_MAP,
                                     rpc.map_request(rpc.EMSMDB), 2))
            rpc.read_pdu(sock)
            sock.close()
    with here.case('a bind_ack wrong in one octet'):
        some = list(rpc.flips(rpc.bind_ack(1)))
        left = iter(some)
        mapper.answer = on_bind(lambda call: next(left, rpc.bind_ack(call)))
        for _ in some:
            sock = connect(135, here.abuser())
            sock.sendall(rpc.bind())
            sock.settimeout(0.02)
            try:
                sock.recv(1)
            except TimeoutError:
                pass
            sock.close()
    mapper.answer = None
    with here.case('groups on 390 connections fill the table: no harm'):
        number = iter(range(1, 100000))
        mapper.answer = on_bind(
            lambda call: rpc.bind_ack(call, group=next(number)))
        socks = [bound(here)[0] for _ in range(385)]
        check(len(socks) == 385, 'some were refused')
        bounded(here, rss_kib)
        for sock in socks:
            sock.close()
    with here.case('a thousand groups one after the other'):
        source = here.abuser()
        for _ in range(1000):
            with connect(135, source) as sock:
                sock.sendall(rpc.bind())
                rpc.read_pdu(sock)
        bounded(here, rss_kib)
    mapper.close()


@scenario
def faults_in_a_flood(here):
    mapper = begin(here)
    rss_kib = here.rss_kib()
    with here.case('20,000 faults, and few lines of them'):
        since = here.mark()
        mapper.answer = on_map(lambda sock, call: sock.sendall(
            rpc.fault(0x1c010003, call) * 2000))
        socks = [asked(here) for _ in range(10)]
        for sock in socks:
            check(wait_for_silence(sock) == 2000 * 32, 'faults were lost')
            sock.close()
        lines = here.lines('fault', since)
        check(0 < len(lines) < 400, f'{len(lines)} lines')
        check(all(line['status'].startswith('nca') for line in lines),
              f'{lines[0]}')
        bounded(here, rss_kib)
    with here.case('faults of half a body, and of unknown names'):
        since = here.mark()
        mapper.answer = on_map(lambda sock, call: sock.sendall(
            rpc.pdu(rpc.FAULT, bytes(3), call)
            + rpc.fault(0xdeadbeef, call)))
        sock = asked(here)
        check(wait_for_silence(sock) > 0, 'nothing came')
        sock.close()
        time.sleep(0.1)
    with here.case('PDUs of every type and every flag'):
        rng = random.Random(11)
        some = b''.join(
            rpc.pdu(rng.randrange(21), rng.randbytes(rng.randrange(200)),
                    rng.randrange(4), rng.randrange(256))
            for _ in range(4000))
        mapper.answer = on_map(lambda sock, call: send_all(sock, some))
        sock = asked(here)
        check(wait_for_silence(sock) == len(some), 'octets were lost')
        sock.close()
    mapper.close()
