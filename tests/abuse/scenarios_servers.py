"""Servers that fail while others serve."""
import signal
import time

import rpc
from world import (VIP, Failure, attempt, check, connect, ending, hold_syn,
                   is_bound, run, scenario, start_connect, until)


def begin(here, interval='1m', **balancer):
    """Neighbours on cas1, which is well."""
    here.settings['check']['interval'] = interval
    here.settings['balancer'].update(balancer)
    here.sim('cas1')
    here.start('cas1')
    here.neighbours()


def server_of(here, source, since=0):
    """Where that client's last connection went."""
    return here.wait_log('open', since, client=source + r':\d+')['server']


def client_of(here, name):
    """A new client that the balancer gave to that server."""
    for _ in range(8):
        source = here.abuser()
        rpc.port_of(VIP, source)
        if server_of(here, source) == name:
            return source
    raise Failure(f'nobody is given to {name}')


def new_clients(here, n):
    """As many new clients ask the endpoint mapper; who was served by whom."""
    served = {}
    for _ in range(n):
        source = here.abuser()
        rpc.port_of(VIP, source)
        served[source] = server_of(here, source)
    return served


@scenario
def server_hangs(here):
    begin(here, interval='1s')
    here.settings['check']['timeout'] = '300ms'
    here.sim('cas2', '--fail', 'cas2:hang@2s')
    here.join('cas2')
    with here.case('its endpoint mapper stops answering: the log says so'):
        line = here.wait_log('endpoint-mapper-failed', server='cas2')
        check(line['reason'] == 'answer-timeout', f'{line}')
    with here.case('new clients go to the other'):
        served = new_clients(here, 4)
        check(set(served.values()) == {'cas1'}, f'{served}')


@scenario
def server_accepts_nothing(here):
    """SYNs to it are dropped."""
    begin(here, **{'connect-timeout': '300ms'})
    here.sim('cas2')
    here.join('cas2')
    moved = client_of(here, 'cas2')
    since = here.mark()
    hold_syn(here.address('cas2'))
    with here.case('its client is moved after connect-timeout'):
        began = time.monotonic()
        rpc.port_of(VIP, moved)
        took = time.monotonic() - began
        check(took > 0.25, f'after {took} s already')
        line = here.wait_log('move', since, client=moved + r':\d+')
        check((line['from'], line['to'], line['reason'])
              == ('cas2', 'cas1', 'connect-timeout'), f'{line}')
        line = here.wait_log('set-aside', since, server='cas2')
        check(line['reason'] == 'connect-timeout' and line['ms'] == '1000',
              f'{line}')
    with here.case('new clients do not wait for it'):
        began = time.monotonic()
        served = new_clients(here, 3)
        if time.monotonic() - began < 0.6:  # within the set-aside
            check(set(served.values()) == {'cas1'}, f'{served}')
        check(len(here.lines('set-aside', since)) <= 2, 'set aside twice')
    with here.case('it takes clients again when it answers'):
        run('nft', 'flush', 'ruleset')
        until(lambda: 'cas2' in new_clients(here, 2).values(),
              'cas2 gets a client')


@scenario
def server_is_unreachable(here):
    begin(here, interval='500ms')
    here.settings['check']['timeout'] = '300ms'  # one failure is soon over
    run('ip', 'route', 'add', 'unreachable', '10.9.9.9')
    since = here.mark()
    here.servers['cas2'] = '10.9.9.9'
    # It gets no client, and tells of the rounds: none of them is shorter.
    here.states['cas3'] = 'drain'
    clock = rpc.Mapper(here.address('cas3'), [])
    here.join('cas3')
    with here.case('the log says so at once'):
        line = here.wait_log('endpoint-mapper-failed', since, server='cas2')
        check(line['reason'] == 'connect-unreachable', f'{line}')
        line = here.wait_log('set-aside', since, server='cas2')
        check(line['reason'] == 'connect-unreachable', f'{line}')
    with here.case('nobody is sent there'):
        until(lambda: set(new_clients(here, 4).values()) == {'cas1'},
              'new clients are on cas1 alone')
        since = here.mark()
        rounds = clock.accepted

        def rounds_are_over():
            served = new_clients(here, 1)
            check(set(served.values()) == {'cas1'}, 'cas2 got one')
            return clock.accepted > rounds + 6

        until(rounds_are_over, 'it was asked again and again')
        check(not here.lines('move', since), 'one went by way of cas2')


@scenario
def server_refuses_135(here):
    begin(here)
    here.sim('cas2')
    here.join('cas2')
    moved = client_of(here, 'cas2')
    since = here.mark()
    here.kill_sim('cas2')
    with here.case('its client is moved at once'):
        rpc.port_of(VIP, moved)
        line = here.wait_log('move', since, client=moved + r':\d+')
        check((line['from'], line['to'], line['reason'])
              == ('cas2', 'cas1', 'connect-refused'), f'{line}')
    with here.case('its next connection goes there directly'):
        rpc.port_of(VIP, moved)
        line = here.wait_log('open', since, client=moved + r':\d+',
                             why='bound')
        check(line['server'] == 'cas1', f'{line}')
        check(len(here.lines('move', since)) == 1, 'moved twice')
    with here.case('it is set aside for a time that grows'):
        def three_times():
            new_clients(here, 2)
            return len(here.lines('set-aside', since, server='cas2')) >= 3

        until(three_times, 'set aside three times')
        lines = here.lines('set-aside', since, server='cas2')
        check([line['ms'] for line in lines[:3]] == ['1000', '2000', '4000'],
              f'{lines}')
        check({line['reason'] for line in lines} == {'connect-refused'},
              f'{lines}')


@scenario
def all_servers_refuse(here):
    here.settings['check']['interval'] = '1m'
    for name in 'cas1', 'cas2':
        here.sim(name)
    here.start('cas1', 'cas2')
    bound = here.abuser()
    rpc.port_of(VIP, bound)
    for name in 'cas1', 'cas2':
        here.kill_sim(name)
    with here.case('a client is reset at once, not left in silence'):
        for source in bound, here.abuser():
            since = here.mark()
            began = time.monotonic()
            end = attempt(135, source)
            check(end == 'reset', f'the connection was {end}')
            took_ms = (time.monotonic() - began) * 1000
            check(took_ms < 200, f'after {took_ms:.0f} ms')
            line = here.wait_log('refuse', since, client=source + r':\d+')
            check(line['reason'] in ('connect-refused', 'no-server'),
                  f'{line}')
    with here.case('they serve again when they are back'):
        for name in 'cas1', 'cas2':
            here.sim(name)

        def is_served():
            try:
                return rpc.port_of(VIP, bound)
            except (OSError, rpc.Gone):
                return None

        until(is_served, 'the client is served')


def mailbox_restarts(here, epm):
    """cas2's mailbox service comes back on another port. Its client and the
    port it was told of, which is refused; where the log was then."""
    here.settings['rpc']['epm'] = epm
    begin(here)
    here.sim('cas2', '--fail', 'cas2:restart-mailbox@2s')
    began = time.monotonic()
    here.join('cas2')
    client = client_of(here, 'cas2')
    old = rpc.port_of(VIP, client)
    sock = connect(old, client)
    with here.case('the service restarts: its connection is reset'):
        end = ending(sock)
        check(end == 'reset' or time.monotonic() - began > 2, f'{end}')
        sock.close()
    with here.case('the old port: a reset, and the server is asked again'):
        since = here.mark()
        end = attempt(old, client)
        check(end == 'reset', f'the connection was {end}')
        line = here.wait_log('refuse', since, client=client + r':\d+')
        check(line['reason'] == 'connect-refused', f'{line}')
    return client, old, since


def is_served_anew(here, client, old, since):
    new = rpc.port_of(VIP, client)
    check(new != old, 'the port did not change')
    until(lambda: is_bound(new, client), 'the new port is admitted')
    check(not here.lines('set-aside', since) and
          not here.lines('move', since), 'the server was blamed')


@scenario
def dynamic_port_refused(here):
    client, old, since = mailbox_restarts(here, 'rewrite')
    with here.case('the old port leads to the new one: the client is served'):
        until(lambda: is_bound(old, client), 'a bind is accepted')
    with here.case('the client asks again and is served on the new port'):
        is_served_anew(here, client, old, since)
        check(is_bound(old, client), 'the old port is closed')


@scenario
def dynamic_port_refused_tracked(here):
    client, old, since = mailbox_restarts(here, 'track')
    with here.case('the client asks again and is served on the new port'):
        is_served_anew(here, client, old, since)
        until(lambda: attempt(old, client) == 'refused',
              'the old port is closed')


@scenario
def killed_and_started_again(here):
    here.sim('cas1')
    here.start('cas1')
    for turn in 'first', 'second':
        with here.case(f'kill -9, start: serves, the {turn} time'):
            source = here.abuser()
            sock = connect(rpc.port_of(VIP, source), source)
            here.daemon.kill(signal.SIGKILL)
            check(ending(sock) in ('reset', 'closed'), 'still open')
            here.daemon.wait()
            here.start()
            rpc.port_of(VIP, source)
            connect(rpc.port_of(VIP, source), source).close()
    here.neighbours()


@scenario
def no_client_is_split(here):
    """Many first connections of each client at once."""
    names = ['cas1', 'cas2', 'cas3']
    for name in names:
        here.sim(name)
    here.start(*names)
    since = here.mark()
    clients, each = (400, 20) if not here.is_asan else (50, 20)
    with here.case(f'{clients} clients, {each} first connections at once'):
        socks = []
        sources = [here.abuser() for _ in range(clients)]
        for at in range(0, clients, 50):
            for source in sources[at:at + 50]:
                socks += [start_connect(source) for _ in range(each)]
            # the log keeps up: its lines are the proof
            until(lambda: len(here.lines('open', since)) == len(socks),
                  'all are open')
        homes = {}
        for line in here.lines('open', since):
            source = line['client'].rsplit(':', 1)[0]
            homes.setdefault(source, set()).add(line['server'])
        check(set(homes) == set(sources), 'a client is missing')
        split = {source: at for source, at in homes.items() if len(at) > 1}
        check(not split, f'split: {split}')
        counts = [sum(home == {name} for home in homes.values())
                  for name in names]
        check(max(counts) - min(counts) <= 1, f'uneven: {counts}')
        for sock in socks:
            sock.close()
