"""Limits that are reached, and what is left of it afterwards."""
import resource
import subprocess
import time

import rpc
from world import (VIP, attempt, check, connect, reset, scenario,
                   start_connect, until)


CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_BPF = 12, 21, 39
ABUSERS = r'127\.0\.[4-9]\.\d+:\d+'


def refused(here, since, reason):
    return here.lines('refuse', since, reason=reason)


def is_served(source):
    try:
        return rpc.port_of(VIP, source)
    except (OSError, rpc.Gone):
        return None


def still_open(socks):
    """How many of them nobody has ended."""
    n = 0
    for sock in socks:
        sock.setblocking(False)
        try:
            sock.recv(1)
        except BlockingIOError:
            n += 1
        except ConnectionResetError:
            pass
    return n


def waiting():
    """Connections that the daemon has not accepted."""
    lines = subprocess.run(['ss', '-Hltn'], check=True, text=True,
                           stdout=subprocess.PIPE).stdout.splitlines()
    return sum(int(line.split()[1]) for line in lines)


@scenario
def descriptors_exhausted(here):
    """So few that even an accept fails."""
    here.settings['balancer']['max-connections'] = '1000'
    here.settings['check']['interval'] = '200ms'
    here.settings['check']['timeout'] = '150ms'
    here.sim('cas1')
    here.start('cas1', limits=[(resource.RLIMIT_NOFILE, 4096)])
    here.neighbours(fresh=False)
    before = here.descriptors()
    with here.case('none is left: refused, named no-descriptors'):
        since = here.mark()
        here.leave_descriptors(30)
        kept, sources = [], [here.abuser() for _ in range(100)]
        for source in sources:
            try:
                kept.append(connect(135, source))
            except ConnectionResetError:
                pass
        until(lambda: refused(here, since, 'no-descriptors'),
              'a line says no-descriptors')
        until(lambda: still_open(kept) < len(sources), 'some are told')
    with here.case('no busy loop while more and more come'):
        more = []
        for _ in range(20):
            more += [start_connect(here.abuser()) for _ in range(50)]
            time.sleep(0.02)
        began = here.cpu_s()
        time.sleep(1)
        used_s = here.cpu_s() - began
        check(used_s < 0.5, f'{used_s} s of CPU in 1 s')
        check(still_open(more) < len(more) / 2, 'most were left in silence')
    with here.case('all is well when the others are gone'):
        for sock in kept:
            reset(sock)
        until(lambda: not waiting(), 'nobody waits to be accepted')
        for sock in more:
            reset(sock)
        until(lambda: is_served(here.abuser()), 'a new client is served')
        until(lambda: here.descriptors() <= before + 10, 'descriptors')
        here.limit_descriptors()


@scenario
def spare_descriptor_lost(here):
    """Each worker keeps one to let a client in that is to be refused."""
    here.settings['check'] = {'interval': '200ms', 'timeout': '150ms'}
    here.sim('cas1')
    here.start('cas1')
    here.neighbours(fresh=False)
    with here.case('below the spare ones: clients wait, no busy loop'):
        here.limit_descriptors(4)
        more = [start_connect(here.abuser()) for _ in range(40)]
        line = here.wait_log('accept-rests')
        check(line['reason'] == 'no-descriptors', f'{line}')
        began = here.cpu_s()
        time.sleep(0.5)
        used_s = here.cpu_s() - began
        check(used_s < 0.3, f'{used_s} s of CPU in 0.5 s')
    with here.case('the endpoint mapper is not asked, nor blamed'):
        here.wait_log('endpoint-mapper-failed', server='cas1',
                      reason='no-descriptors')
    with here.case('with room again each is served or told, then all served'):
        since = here.mark()
        here.limit_descriptors()
        until(lambda: len(here.lines('open', since, client=ABUSERS))
              + len(refused(here, since, 'no-descriptors')) >= 40,
              'nobody is left in silence')
        check(here.lines('open', since, client=ABUSERS), 'none is served')
        until(lambda: here.lines('endpoint-mapper', since), 'asked again')
        more += [connect(135, here.abuser()) for _ in range(10)]
        until(lambda: all(here.lines('open', since, client='%s:%d' %
                                     sock.getsockname())
                          for sock in more[-10:]), 'new ones are served')
        check(not refused(here, since, 'no-server'), 'the server was blamed')
    with here.case('the spare ones are there again: clients are told'):
        here.leave_descriptors(30)
        kept = [start_connect(here.abuser()) for _ in range(100)]
        until(lambda: not waiting(), 'nobody is left in silence')
        check(still_open(kept) <= 16, f'{still_open(kept)} are open')
        for sock in kept + more:
            reset(sock)
        here.limit_descriptors()


@scenario
def few_descriptors_from_the_start(here):
    """What max-connections = auto makes of a low limit."""
    here.sim('cas1')
    here.start('cas1', limits=[(resource.RLIMIT_NOFILE, 400)])
    here.neighbours(fresh=False)
    with here.case('refused before there is none: max-connections'):
        kept = [connect(135, here.abuser()) for _ in range(100)]
        here.wait_log('refuse', reason='max-connections')
        check(not refused(here, 0, 'no-descriptors'), 'none was left')
    with here.case('all is well when the others are gone'):
        for sock in kept:
            sock.close()
        until(lambda: is_served(here.abuser()), 'a new client is served')


@scenario
def sockets_count(here):
    """intercept = auto that ends at a socket for each port."""
    here.settings['balancer']['max-connections'] = '1800'
    here.settings['rpc'].update({'admit': 'any', 'range': '20000-20999'})
    here.sim('cas1', '--range', '20000-20999')
    here.start('cas1', limits=[(resource.RLIMIT_NOFILE, 4096)],
               without=(CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_BPF))
    here.neighbours(fresh=False)
    with here.case('their descriptors are not for connections'):
        line = here.wait_log('ready')
        check(line['listen'] == 'sockets' and line['ports'] == '1001',
              f'{line}')
        lowered = here.lines('max-connections-lowered')
        check(len(lowered) == 1 and lowered[0]['from'] == '1800',
              f'{lowered}')
        check(lowered[0]['to'] == line['max-connections'],
              f'{lowered}, {line}')
        own = here.idle_descriptors
        most = int(line['max-connections'])
        check(1300 < most and own + 2 * most < 4096,
              f'{own} descriptors, {most} connections')


@scenario
def refused_by_the_kernel(here):
    here.sim('cas1')
    here.start('cas1')
    here.neighbours(fresh=False)
    with here.case('refusals of the kernel are counted in one line'):
        line = here.wait_log('ready')
        check(line['listen'] == 'sk_lookup', f'{line}')
        for port in range(2000, 2300):
            end = attempt(port, here.abuser())
            check(end == 'refused', f'the connection was {end}')
        line = here.wait_log('refused-by-kernel')
        check(line['level'] == 'notice' and 0 < int(line['count']) <= 300,
              f'{line}')


@scenario
def max_connections(here):
    here.settings['balancer']['max-connections'] = '60'
    here.sim('cas1')
    here.start('cas1')
    here.neighbours(fresh=False)
    with here.case('the next one is reset and named max-connections'):
        since = here.mark()
        kept = [connect(135, here.abuser()) for _ in range(60)]
        line = here.wait_log('refuse', since, reason='max-connections')
        check(line['client'].startswith('127.0.4.'), f'{line}')
        end = attempt(135, here.abuser())
        check(end == 'reset', f'the connection was {end}')
    with here.case('lines of a flood are held back and counted'):
        for _ in range(500):
            attempt(135, '127.0.4.1')
        lines = len(refused(here, since, 'max-connections'))

        def is_told():
            """With the first refusal of the next second."""
            attempt(135, '127.0.4.1')
            return here.lines('refuse-held-back', since,
                              reason='max-connections')

        line = until(is_told, 'a line says refuse-held-back')[-1]
        check(lines < 500 and int(line['lines']) > 0, f'{lines}, {line}')
    with here.case('all is well when the others are gone'):
        for sock in kept:
            sock.close()
        until(lambda: is_served(here.abuser()), 'a new client is served')


@scenario
def affinity_table_full(here):
    here.settings['affinity']['entries'] = '64'
    here.sim('cas1')
    here.start('cas1')
    here.neighbours(fresh=False)  # three clients
    with here.case('bindings in use are not given up: table-full'):
        since = here.mark()
        kept = [connect(135, here.abuser()) for _ in range(61)]
        until(lambda: len(here.lines('open', since)) >= 61,
              'the table is full')
        end = attempt(135, here.abuser())
        check(end == 'reset', f'the connection was {end}')
        here.wait_log('refuse', since, reason='table-full')
    with here.case('the least recently used one makes room'):
        kept.pop().close()
        until(lambda: is_served(here.abuser()), 'a new client is served')
        for sock in kept:
            sock.close()
