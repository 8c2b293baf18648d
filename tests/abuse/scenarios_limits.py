"""Limits that are reached, and what is left of it afterwards."""
import resource
import time

import rpc
from world import VIP, attempt, check, connect, reset, scenario, until


def refused(here, since, reason):
    return here.lines('refuse', since, reason=reason)


def is_served(source):
    try:
        return rpc.port_of(VIP, source)
    except (OSError, rpc.Gone):
        return None


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
        here.limit_descriptors(here.highest_descriptor() + 30)
        kept, sources = [], [here.abuser() for _ in range(100)]
        for source in sources:
            try:
                kept.append(connect(135, source))
            except ConnectionResetError:
                pass
        until(lambda: refused(here, since, 'no-descriptors'),
              'a line says no-descriptors')
    with here.case('every connection that waits is told'):
        for sock in kept:
            sock.settimeout(3)
        told = 0
        for sock in kept:
            sock.setblocking(False)
        time.sleep(0.5)
        for sock in kept:
            try:
                told += sock.recv(1) == b''
            except BlockingIOError:
                pass
            except ConnectionResetError:
                told += 1
        told += len(sources) - len(kept)
        # 30 descriptors hold 15 connections; the rest heard of it
        check(told >= 100 - 15, f'only {told} of 100 were told')
    with here.case('no busy loop while it lasts'):
        began = here.cpu_s()
        more = [connect(135, here.abuser()) for _ in range(0)]
        time.sleep(1)
        used_s = here.cpu_s() - began
        check(used_s < 0.5, f'{used_s} s of CPU in 1 s')
        check(not more, 'none')
    with here.case('all is well when the others are gone'):
        for sock in kept:
            reset(sock)
        until(lambda: is_served(here.abuser()), 'a new client is served')
        until(lambda: here.descriptors() <= before + 10, 'descriptors')
        here.limit_descriptors()


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
        time.sleep(1)
        attempt(135, '127.0.4.1')
        line = here.wait_log('refuse-held-back', since,
                             reason='max-connections')
        check(lines < 500 and int(line['lines']) > 0, f'{lines}, {line}')
    with here.case('all is well when the others are gone'):
        for sock in kept:
            sock.close()
        until(lambda: is_served(here.abuser()), 'a new client is served')


@scenario
def affinity_table_full(here):
    here.settings['affinity']['entries'] = '6'
    here.sim('cas1')
    here.start('cas1')
    here.neighbours(fresh=False)  # three clients
    with here.case('bindings in use are not given up: table-full'):
        since = here.mark()
        kept = [connect(135, here.abuser()) for _ in range(3)]
        until(lambda: len(here.lines('open', since)) >= 3, 'three more')
        end = attempt(135, here.abuser())
        check(end == 'reset', f'the connection was {end}')
        here.wait_log('refuse', since, reason='table-full')
    with here.case('the least recently used one makes room'):
        kept.pop().close()
        until(lambda: is_served(here.abuser()), 'a new client is served')
        for sock in kept:
            sock.close()
