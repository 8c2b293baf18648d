"""Reloads that change what is read of RPC, while it is read."""
import threading

import rpc
from world import (VIP, check, connect, is_bound, reset, scenario, send_all,
                   until)


class Storm:
    """Hostile clients of all kinds, one after the other, while it lasts."""

    def __init__(self, here):
        self.here = here
        self.rounds = 0
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        while not self.is_over.is_set():
            source = f'127.0.50.{1 + self.rounds % 200}'
            for one in self.half_a_bind, self.many_calls, self.garbage, \
                    self.lookups, self.uses_a_port:
                try:
                    one(source)
                except (OSError, rpc.Gone, LookupError):
                    pass  # it may be refused: others must not notice
            self.rounds += 1

    @staticmethod
    def half_a_bind(source):
        sock = connect(135, source)
        sock.sendall(rpc.bind()[:50])
        reset(sock)

    @staticmethod
    def many_calls(source):
        sock = connect(135, source, timeout=2)
        call = rpc.request(rpc.EPT_MAP, rpc.map_request(rpc.NSPI))
        sock.sendall(rpc.bind() + call * 50)
        for _ in range(51):
            rpc.read_pdu(sock)
        sock.close()

    @staticmethod
    def garbage(source):
        sock = connect(135, source)
        send_all(sock, b'\xff' * 3000)
        sock.close()

    @staticmethod
    def lookups(source):
        caller = rpc.Caller(VIP, source, timeout=2)
        caller.sock.sendall(rpc.request(rpc.EPT_LOOKUP,
                                        rpc.lookup_request(500)) * 5)
        rpc.read_pdu(caller.sock)
        reset(caller.sock)

    @staticmethod
    def uses_a_port(source):
        is_bound(rpc.port_of(VIP, source, timeout=2), source)

    def finish(self):
        self.is_over.set()
        self.thread.join(20)
        check(not self.thread.is_alive(), 'a hostile client hangs')
        check(self.rounds > 0, 'no round was played')


def begin(here):
    here.sim('cas1')
    here.start('cas1')
    here.neighbours(fresh=False)
    return Storm(here)


def is_served(source, interface=rpc.EMSMDB):
    """It is told of a port, and a bind there is accepted."""
    try:
        return is_bound(rpc.port_of(VIP, source, interface), source,
                        interface)
    except LookupError:
        return False


@scenario
def reload_of_epm(here):
    """Who has connections keeps them; who asks in the moment of the change
    may have to ask again."""
    storm = begin(here)
    for turn in range(2):
        for epm in 'track', 'rewrite', 'answer', 'pass':
            with here.case(f'epm = {epm}, round {turn + 1}'):
                here.settings['rpc']['epm'] = epm
                here.reload()
                until(lambda: is_served(here.abuser()),
                      'a new client is served')
    with here.case('a mode a moment, 60 times'):
        for turn in range(60):
            here.settings['rpc']['epm'] = ('track', 'rewrite', 'answer',
                                           'pass')[turn * 7 % 4]
            here.reload()
        storm.finish()
        until(lambda: is_served(here.abuser()), 'a new client is served')


@scenario
def reload_of_virtual_ports(here):
    """Who has a connection keeps it; who asks gets a port of the new range."""
    storm = begin(here)
    for first, last in (30000, 30063), (40000, 40003), (1024, 65535), \
            (50000, 50015):
        with here.case(f'virtual-ports = {first}-{last}'):
            here.settings['rpc']['virtual-ports'] = f'{first}-{last}'
            here.reload()
            source = here.abuser()

            def is_in_range():
                port = rpc.port_of(VIP, source)
                return first <= port <= last and is_bound(port, source)

            until(is_in_range, 'a port of the range is served')
    here.end_neighbours()  # some are refused now, and ought to be
    with here.case('fewer virtual ports than are announced: said'):
        since = here.mark()
        here.settings['rpc']['virtual-ports'] = '31000-31001'
        here.reload()
        here.wait_log('virtual-ports-exhausted', since)
    with here.case('room again'):
        here.settings['rpc']['virtual-ports'] = '31000-31100'
        here.reload()
        storm.finish()
        source = here.abuser()
        port = rpc.port_of(VIP, source)
        check(31000 <= port <= 31100 and is_bound(port, source), f'{port}')


@scenario
def reload_of_interfaces(here):
    """The neighbours go on using what they are allowed all the time."""
    storm = begin(here)
    for names, may in (('emsmdb', False), ('any', True),
                       ('emsmdb, async-emsmdb', False),
                       ('emsmdb, nspi', True), ('emsmdb, samr', False),
                       (f'emsmdb, {rpc.NSPI[0]}', True)):
        with here.case(f'interfaces = {names}'):
            here.settings['rpc']['interfaces'] = names
            here.reload()
            source = here.abuser()
            until(lambda: is_served(source, rpc.NSPI) == may,
                  f'a client of nspi is {"" if may else "not "}served')
            check(is_served(source), 'a client of emsmdb is not served')
    storm.finish()
