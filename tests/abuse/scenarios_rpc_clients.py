"""Clients whose RPC is wrong: what is held back for them is bounded, what
cannot be read ends with a reason."""
import socket
import time

import rpc
from world import (VIP, check, connect, ending, reset, scenario, send_all,
                   until)

ABUSERS = r'127\.0\.[4-9]\.\d+:\d+'
ENDS = ('client-closed', 'server-closed', 'client-reset', 'server-reset',
        'not-rpc')
LARGE = rpc.bind_of([rpc.EMSMDB], padding=bytes(65535 - 72 - 1))
HELD_ALL_KIB = 2 * 32 * 1024  # what two workers hold back at most


def begin(here):
    here.sim('cas1')
    here.start('cas1')
    here.neighbours()


def hold_binds(here, port, clients):
    """Each sends a bind of 64 KiB but for its last octet, the end of it octet
    by octet. Those that were not reset."""
    socks = []
    for _ in range(clients):
        sock = connect(port, here.abuser())
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        socks.append(sock)
    for at in range(0, 65000, 13000):
        for sock in socks:
            send_all(sock, LARGE[at:at + 13000])
    for at in range(65000, 65010):
        for sock in socks:
            send_all(sock, LARGE[at:at + 1])
    return socks


@scenario
def large_binds(here):
    begin(here)
    clients = 1300
    port = rpc.port_of(VIP, here.abuser())
    rss_kib = here.rss_kib()
    # ASan takes more room for each block, and gives none back.
    most_kib = HELD_ALL_KIB * (1.25 if not here.is_asan else 6)
    with here.case(f'{clients} binds of 64 KiB that never end'):
        since = here.mark()
        socks = hold_binds(here, port, clients)
        until(lambda: here.lines('close', since, reason='no-memory'),
              'what is too much is refused')
        grown_kib = here.rss_kib() - rss_kib
        check(grown_kib > 16384, f'only {grown_kib} KiB are held')
        check(grown_kib < most_kib, f'memory grew by {grown_kib} KiB')
    with here.case('they cost no CPU'):
        began = here.cpu_s()
        time.sleep(0.3)
        used_s = here.cpu_s() - began
        check(used_s < 0.25, f'{used_s} s of CPU in 0.3 s')
    with here.case('they go away: there is room again'):
        for sock in socks:
            reset(sock)
        until(lambda: len(here.lines('close', since, client=ABUSERS,
                                     port=port)) >= clients, 'all are closed')
        socks = hold_binds(here, port, 100)
        for sock in socks:
            send_all(sock, LARGE[65010:])
            check(rpc.read_pdu(sock)[0] in (rpc.BIND_ACK, rpc.BIND_NAK,
                                            rpc.FAULT), 'no answer')
            sock.close()
        grown_kib = here.rss_kib() - rss_kib
        check(grown_kib < most_kib, f'memory grew by {grown_kib} KiB')


def wrong_auth(length, padding=0):
    return rpc.with_auth(rpc.bind(rpc.EMSMDB), bytes(40), length, 2, padding)


# What it sends, and whether a server may see it.
BINDS = {
    '64 contexts': (rpc.bind_of([rpc.EMSMDB] * 64), True),
    '65 contexts': (rpc.bind_of([rpc.EMSMDB] * 65), False),
    'no context': (rpc.bind_of([]), True),
    '255 contexts said, one there': (
        rpc.bind_of([rpc.EMSMDB]).replace(b'\0\0\0\0\1\0\0\0',
                                          b'\0\0\0\0\xff\0\0\0', 1), False),
    'a context without a transfer syntax': (
        rpc.bind_of([rpc.EMSMDB], ()), True),
    '8 transfer syntaxes': (rpc.bind_of([rpc.EMSMDB], (rpc.NDR,) * 8), True),
    '9 transfer syntaxes': (rpc.bind_of([rpc.EMSMDB], (rpc.NDR,) * 9), False),
    'NDR64 alone': (rpc.bind_of([rpc.EMSMDB], (rpc.NDR64,)), True),
    'another interface': (rpc.bind_of([rpc.SAMR]), True),
    'the largest group': (rpc.bind_of([rpc.EMSMDB], group=0xffffffff), True),
    'big-endian': (rpc.big_endian_bind(rpc.EMSMDB), True),
    'an auth_length beyond the PDU': (wrong_auth(65535), False),
    'an auth_length of all the PDU': (wrong_auth(120 - 16), False),
    'an auth_length that leaves half a body': (wrong_auth(60), False),
    'an auth_length too short by one': (wrong_auth(39), True),
    'auth padding of more than the body': (wrong_auth(40, 255), False),
    'an alter_context before any bind': (
        rpc.bind_of([rpc.EMSMDB], kind=rpc.ALTER), True),
    'an auth3 before any bind': (rpc.auth3(), True),
    'a bind_ack': (rpc.bind_ack(1), True),
    'a datagram\'s type': (rpc.pdu(7, bytes(20)), True),
    'version 4': (b'\x04' + rpc.bind(rpc.EMSMDB)[1:], False),
}


def play_bind(here, port, octets, may_pass):
    since = here.mark()
    sock = connect(port, here.abuser())
    name = '%s:%d' % sock.getsockname()
    send_all(sock, octets)
    if may_pass:
        time.sleep(0.02)
        sock.close()
    else:
        check(ending(sock) == 'reset', 'it was not reset')
    line = here.wait_log('close', since, client=name)
    check((line['reason'] == 'not-rpc') != may_pass and
          line['reason'] in ENDS, f'{line}')


@scenario
def odd_binds(here):
    begin(here)
    port = rpc.port_of(VIP, here.abuser())
    for what, (octets, may_pass) in BINDS.items():
        with here.case(what):
            play_bind(here, port, octets, may_pass)
    with here.case('what is refused is named'):
        here.wait_log('interface-refused', port=port, interface='samr')
        lines = here.lines('interface-refused')
        check(all(line['interface'] != 'emsmdb' for line in lines),
              f'{lines}')
    with here.case('a client is served after all of that'):
        rpc.port_of(VIP, here.abuser())


def send_each(here, port, conversations, at_once=100):
    """Every conversation on a connection of its own. How many were closed
    with each reason."""
    since = here.mark()
    n = 0
    for at in range(0, len(conversations), at_once):
        source = here.abuser()
        some = conversations[at:at + at_once]
        socks = [connect(port, source) for _ in some]
        for sock, octets in zip(socks, some):
            send_all(sock, octets)
            try:
                sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it was reset
        for sock in socks:
            swallow(sock)
        n += len(some)
        until(lambda: len(here.lines('close|refuse', since, client=ABUSERS))
              >= n, 'all of them end')
    reasons = {}
    for line in here.lines('close|refuse', since, client=ABUSERS):
        reasons[line['reason']] = reasons.get(line['reason'], 0) + 1
    return reasons


def swallow(sock):
    """Until the other side ends; some servers wait for the rest of a PDU
    whose length was changed."""
    sock.settimeout(0.5)
    try:
        while sock.recv(65536):
            pass
    except OSError:
        pass
    sock.close()


def corrupted(port):
    """Conversations each of which has one octet wrong: in the bind, in the
    call, in the auth3."""
    bind = rpc.bind(rpc.EPM if port == 135 else rpc.EMSMDB)
    call = rpc.request(rpc.EPT_MAP, rpc.map_request(rpc.EMSMDB), 2)
    signed = rpc.with_auth(bind, b'NTLMSSP\0\1\0\0\0' + bytes(20))
    some = [octets + call for octets in rpc.flips(bind)]
    some += [bind + octets for octets in rpc.flips(call)]
    some += [signed + octets + call for octets in rpc.flips(rpc.auth3())]
    some += [octets for octets in rpc.flips(signed)]
    return some


def play_corrupted(here):
    for port, at in ((135, '135'),
                     (rpc.port_of(VIP, here.abuser()), 'a dynamic port')):
        some = corrupted(port)
        with here.case(f'{len(some)} conversations with a wrong octet on '
                       + at):
            reasons = send_each(here, port, some)
            check(set(reasons) <= set(ENDS + ('group-gone',)), f'{reasons}')
            check(reasons.get('not-rpc'), f'{reasons}')
            # Most octets say nothing to us.
            check(sum(reasons.values()) > 2 * reasons['not-rpc'],
                  f'most were refused: {reasons}')


@scenario
def corrupted_calls(here):
    here.settings['balancer']['log-users'] = 'yes'
    begin(here)
    rss_kib = here.rss_kib()
    play_corrupted(here)
    with here.case('nothing of them is left'):
        grown_kib = here.rss_kib() - rss_kib
        check(grown_kib < (4096 if not here.is_asan else 32768),
              f'memory grew by {grown_kib} KiB')
    with here.case('names of users are one line\'s'):
        users = {line['user'] for line in here.lines('close')
                 if 'user' in line}
        check(any('mallory' in user for user in users), f'{users}')
