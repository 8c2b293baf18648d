"""Signals: ends, reloads, and reloads that must change nothing."""
import os
import signal
import time

import rpc
from world import (VIP, Failure, attempt, check, connect, ending, scenario,
                   until)


def begin(here, *names):
    for name in names:
        here.sim(name)
    here.start(*names)


@scenario
def term_while_clients_are_bound(here):
    here.settings['balancer']['stop-timeout'] = '1500ms'
    begin(here, 'cas1')
    bound = here.abuser()
    port = rpc.port_of(VIP, bound)
    kept = [connect(port, bound) for _ in range(3)]
    here.wait_log('open', port=port)
    here.daemon.kill(signal.SIGTERM)
    began = time.monotonic()
    here.wait_log('stop', signal='TERM', how='drain')
    with here.case('a bound client may still open connections',
                   all_well=False):
        kept.append(connect(rpc.port_of(VIP, bound), bound))
    with here.case('a new client is refused: stopping', all_well=False):
        end = attempt(135, here.abuser())
        check(end == 'reset', f'the connection was {end}')
        here.wait_log('refuse', reason='stopping')
    with here.case('after stop-timeout the log names who is left',
                   all_well=False):
        check(here.daemon.wait() == 0, 'exit status')
        took = time.monotonic() - began
        check(took > 1.3, f'it ended after {took:.1f} s')
        line = here.lines('stop-timeout')[0]
        check(line['connections'] == '4', f'{line}')
        left = {line['client'] for line in here.lines('left', server='cas1')}
        wanted = {'%s:%d' % sock.getsockname() for sock in kept}
        check(left == wanted, f'{left} instead of {wanted}')
    with here.case('they are reset, the lines say stopped', all_well=False):
        for sock in kept:
            check(ending(sock) == 'reset', 'closed without a reset')
        check(len(here.lines('close', reason='stopped')) == 4, 'lines')
        here.finish_daemon()


@scenario
def term_twice(here):
    here.settings['balancer']['stop-timeout'] = '1h'
    begin(here, 'cas1')
    bound = here.abuser()
    sock = connect(rpc.port_of(VIP, bound), bound)
    with here.case('the second signal ends at once', all_well=False):
        here.daemon.kill(signal.SIGTERM)
        here.wait_log('stop', how='drain')
        time.sleep(0.3)
        check(here.daemon.is_up(), 'it did not wait')
        here.daemon.kill(signal.SIGTERM)
        check(here.daemon.wait() == 0, 'exit status')
        check(here.lines('stop', how='at-once'), 'no line says at-once')
        check(ending(sock) == 'reset', 'closed without a reset')
        here.finish_daemon()


@scenario
def term_ends_when_the_last_client_leaves(here):
    here.settings['balancer']['stop-timeout'] = '1h'
    begin(here, 'cas1')
    bound = here.abuser()
    sock = connect(rpc.port_of(VIP, bound), bound)
    with here.case('no one left: it ends', all_well=False):
        here.daemon.kill(signal.SIGTERM)
        here.wait_log('stop', how='drain')
        sock.close()
        check(here.daemon.wait() == 0, 'exit status')
        check(not here.lines('stop-timeout'), 'someone was left')
        here.finish_daemon()


BROKEN = {
    'an unknown key': ('[balancer]\nvpi = 127.0.1.10\n', 'unknown-key'),
    'a bad value': ('[balancer]\nvip = 127.0.1.999\n', 'bad-value'),
    'random octets': (bytes(range(1, 256)).decode('latin-1') * 40, None),
    'an empty file': ('', None),
}


@scenario
def reload_of_a_broken_file(here):
    begin(here, 'cas1')
    here.neighbours()
    for name, (text, code) in BROKEN.items():
        with here.case(f'{name}: refused, findings logged'):
            since = here.mark()
            with open(here.conf, 'w', encoding='latin-1') as file:
                file.write(text)
            here.daemon.kill(signal.SIGHUP)
            here.wait_log('reload-refused', since)
            found = here.lines('finding', since)
            check(found, 'no finding was logged')
            if code:
                check(code in [line['code'] for line in found], f'{found}')
            check(not here.lines('reload', since), 'reloaded')
    with here.case('no file: refused'):
        since = here.mark()
        os.unlink(here.conf)
        here.daemon.kill(signal.SIGHUP)
        here.wait_log('reload-refused', since)
    with here.case('nothing has changed'):
        rpc.port_of(VIP, here.abuser())
        here.reload()


@scenario
def reload_storm(here):
    begin(here, 'cas1', 'cas2')
    here.neighbours(clients=4)
    with here.case('50 reloads under load'):
        since = here.mark()
        for turn in range(50):
            here.settings['check']['interval'] = f'{1 + turn % 3}s'
            here.reload()
        check(len(here.lines('reload', since)) == 50, 'reloads')
        check(not here.lines('move', since) and
              not here.lines('refuse', since), 'somebody was moved')
    with here.case('50 signals at once'):
        since = here.mark()
        for _ in range(50):
            here.daemon.kill(signal.SIGHUP)
        here.wait_log('reload', since)
    with here.case('restart-needed is said'):
        since = here.mark()
        here.settings['balancer']['threads'] = '1'
        here.reload()
        here.wait_log('restart-needed', since, key='threads')


def opened(here, source):
    """A connection that stays, and its server."""
    caller = rpc.Caller(VIP, source)
    name = '%s:%d' % caller.sock.getsockname()
    return caller, here.wait_log('open', client=name)['server']


def client_of(here, name):
    """A new client that got that server: its address and a connection."""
    for _ in range(8):
        source = here.abuser()
        caller, server = opened(here, source)
        if server == name:
            return source, caller
        caller.close()
    raise Failure(f'nobody is given to {name}')


def new_servers(here, n=6):
    served = set()
    for _ in range(n):
        caller, server = opened(here, here.abuser())
        served.add(server)
        caller.close()
    return served


@scenario
def reload_changes_servers(here):
    begin(here, 'cas1')
    here.neighbours()
    here.sim('cas2')
    with here.case('an added server gets clients'):
        here.join('cas2')
        check(new_servers(here) == {'cas1', 'cas2'}, 'cas2 gets none')
    source, caller = client_of(here, 'cas2')
    with here.case('a draining server gets no new client'):
        here.states['cas2'] = 'drain'
        here.reload()
        check(new_servers(here) == {'cas1'}, 'cas2 got one')
    with here.case('its own clients go on, with new connections too'):
        caller.port_of(rpc.EMSMDB)
        more, server = opened(here, source)
        check(server == 'cas2', f'moved to {server}')
        more.close()
    with here.case('a disabled server: its clients are reset, and move'):
        here.states['cas2'] = 'disabled'
        since = here.mark()
        here.reload()
        here.wait_log('close', since, server='cas2',
                      reason='server-disabled')
        more, server = opened(here, source)
        check(server == 'cas1', f'still on {server}')
        more.close()
    with here.case('enabled again it gets clients'):
        del here.states['cas2']
        here.reload()
        check(new_servers(here) == {'cas1', 'cas2'}, 'cas2 gets none')
    caller.close()
    source, caller = client_of(here, 'cas2')
    dynamic = caller.port_of(rpc.EMSMDB)
    with here.case('a removed server: who lives there stays unsplit'):
        del here.servers['cas2']
        here.reload()
        caller.port_of(rpc.EMSMDB)
        more, server = opened(here, source)
        check(server == 'cas2', f'split to {server}')
        more.close()
        caller.port_of(rpc.EMSMDB)
        check(new_servers(here) == {'cas1'}, 'cas2 got a new client')
    with here.case('when they have gone, its ports are closed'):
        caller.close()
        until(lambda: attempt(dynamic, here.abuser()) == 'refused',
              'the port is closed')
    with here.case('it may come back'):
        here.join('cas2')
        until(lambda: 'cas2' in new_servers(here, 2), 'cas2 gets a client')
