"""Endpoint mappers that misbehave towards the balancer."""
import random
import struct
import time

import rpc
from world import attempt, check, is_bound, is_refused, scenario, until

LISTENING = 40000


def towers(here, n, first=30000):
    return [rpc.tower(rpc.EMSMDB, first + i, here.address('cas2'))
            for i in range(n)]


def on_lookup(act):
    """Misbehave when asked to list, not before."""
    def answer(sock, opnum, call):
        if opnum != rpc.EPT_LOOKUP:
            return False
        act(sock, call)
        return True

    return answer


def garbage(sock, call):
    sock.sendall(random.Random(7).randbytes(5000))


def wrong_counts(sock, call):
    """A reply that claims four thousand million entries."""
    sock.sendall(rpc.response(rpc.HANDLE + struct.pack(
        '<IIII', 0xffffffff, 0xffffffff, 0, 0xffffffff) + bytes(400), call))


def torn_tower(sock, call):
    """A tower whose floors end in the middle."""
    stub = rpc.lookup_reply([rpc.tower(rpc.EMSMDB, 1)[:40]], rpc.NIL)
    sock.sendall(rpc.response(stub, call))


def endless(sock, call):
    """Always one more, and the handle goes on."""
    sock.sendall(rpc.response(rpc.lookup_reply(
        [rpc.tower(rpc.EMSMDB, 30000)], rpc.HANDLE), call))


def large_fragments(sock, call):
    """Fragments of 65,535 octets without a last one."""
    while True:
        sock.sendall(rpc.response(bytes(65535 - 24), call, rpc.FIRST))


def empty_fragments(sock, call):
    """Fragments of nothing without a last one."""
    some = rpc.response(b'', call, 0) * 2000
    while True:
        sock.sendall(some)


def half(sock, call):
    sock.sendall(rpc.response(rpc.lookup_reply([], rpc.NIL), call)[:30])


def half_and_end(sock, call):
    half(sock, call)
    sock.close()


def drop_by_drop(sock, call):
    """Right, but an octet at a time and too slow."""
    whole = rpc.response(rpc.lookup_reply([], rpc.NIL), call)
    for octet in whole:
        sock.sendall(bytes([octet]))
        time.sleep(0.1)


def other_type(sock, call):
    sock.sendall(rpc.pdu(19, b'', call))


EVILS = {
    'answers garbage': (garbage, 'malformed-answer'),
    'claims 4,294,967,295 entries': (wrong_counts, 'answer-too-long'),
    'continues its listing for ever': (endless, 'endless-listing'),
    'sends fragments of 65,535 octets for ever': (large_fragments,
                                                  'answer-too-long'),
    'sends empty fragments for ever': (empty_fragments, 'answer-timeout'),
    'sends half an answer': (half, 'answer-timeout'),
    'sends half an answer and ends': (half_and_end, 'connection-lost'),
    'sends an octet at a time': (drop_by_drop, 'answer-timeout'),
    'sends a PDU of another type': (other_type, 'unexpected-pdu'),
    'never answers': (lambda sock, call: None, 'answer-timeout'),
}


def begin(here, epm='rewrite'):
    here.settings['check'] = {'interval': '400ms', 'timeout': '300ms'}
    here.settings['rpc']['epm'] = epm
    here.sim('cas1')
    here.start('cas1')
    here.neighbours()


def play(here, name, act, reason):
    since = here.mark()
    rss_kib = here.rss_kib()
    mapper = rpc.Mapper(here.address(name), [], on_lookup(act))
    here.servers[name] = here.address(name)
    here.reload()
    line = here.wait_log('endpoint-mapper-failed', since, server=name)
    check(line['reason'] == reason, f'{line}')
    until(lambda: mapper.accepted > 1, 'it is asked again')
    grown_kib = here.rss_kib() - rss_kib
    check(grown_kib < (4096 if not here.is_asan else 16384),
          f'memory grew by {grown_kib} KiB')
    # The control thread still does other things.
    del here.servers[name]
    here.reload()
    mapper.close()


@scenario
def evil_mappers(here):
    begin(here)
    for number, (name, (act, reason)) in enumerate(EVILS.items()):
        with here.case(f'one that {name}'):
            play(here, f'cas{2 + number}', act, reason)


def leave(here, mapper):
    del here.servers['cas2']
    here.reload()
    mapper.close()


def play_odd(here, epm):
    begin(here, epm)
    with here.case('a torn tower is left out'):
        since = here.mark()
        mapper = rpc.Mapper(here.address('cas2'), [], on_lookup(torn_tower))
        here.join('cas2')
        here.wait_log('nothing-announced', since, server='cas2')
        leave(here, mapper)
    with here.case('one announcement that comes and goes'):
        mapper = rpc.Mapper(here.address('cas2'), towers(here, 1, LISTENING))
        here.join('cas2')
        until(lambda: attempt(LISTENING, here.abuser()) == 'reset',
              'the port is admitted, and nobody is behind it')
        mapper.towers = []
        until(lambda: attempt(LISTENING, here.abuser()) == 'refused',
              'the port is closed')
        leave(here, mapper)
    with here.case('2,000 announcements'):
        since = here.mark()
        mapper = rpc.Mapper(here.address('cas2'), towers(here, 2000))
        here.join('cas2')
        line = here.wait_log('endpoint-mapper', since, server='cas2')
        check(int(line['endpoints']) == 1024, f'{line}')
        line = here.wait_log('announcements-left-out', since, server='cas2')
        check(int(line['most']) == 1024, f'{line}')
        check(attempt(30000, here.abuser()) == 'reset', 'the first one')
        check(attempt(31999, here.abuser()) == 'refused', 'the last one')
        del here.servers['cas2']
        here.reload()
        until(lambda: attempt(30000, here.abuser()) == 'refused',
              'all are closed again')
        mapper.close()


def says_hello(sock):
    """Answers a bind."""
    with sock:
        rpc.read_pdu(sock)
        sock.sendall(rpc.bind_ack(1))
        rpc.read_pdu(sock)


def announce_elsewhere(here):
    """cas2 announces a port and then another, on which somebody is. Returns
    what leave() wants."""
    moved = rpc.Server(here.address('cas2'), LISTENING + 1, says_hello)
    mapper = rpc.Mapper(here.address('cas2'), towers(here, 1, LISTENING))
    here.join('cas2')
    until(lambda: attempt(LISTENING, here.abuser()) == 'reset',
          'the port is admitted, and nobody is behind it')
    mapper.towers = towers(here, 1, LISTENING + 1)
    until(lambda: is_bound(LISTENING + 1, here.abuser()),
          'the new port is served')
    check(moved.accepted, 'by somebody else')
    return mapper


@scenario
def odd_mappers(here):
    play_odd(here, 'rewrite')
    with here.case('an interface that moves: its old port leads there'):
        mapper = announce_elsewhere(here)
        check(is_bound(LISTENING, here.abuser()), 'the old port is closed')
    with here.case('it goes: both ports are closed'):
        mapper.towers = []
        for port in LISTENING, LISTENING + 1:
            until(lambda: is_refused(port, here.abuser()),
                  f'port {port} is closed')
        leave(here, mapper)


@scenario
def odd_mappers_tracked(here):
    play_odd(here, 'track')
    with here.case('an interface that moves: its old port is closed'):
        mapper = announce_elsewhere(here)
        until(lambda: is_refused(LISTENING, here.abuser()),
              'the old port is closed')
        leave(here, mapper)
