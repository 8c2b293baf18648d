"""One balancer, its servers and its well-behaved clients, in a network
namespace of their own.

Whoever uses it runs inside that namespace already, and is the first process
of a pid namespace: what it started ends with it. Every address is a loopback
address of the namespace.
"""
import contextlib
import ctypes
import json
import os
import re
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import rpc

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
VIP = '127.0.1.10'
SOURCE = '127.0.1.9'
PR_CAPBSET_DROP = 24
LIBC = ctypes.CDLL(None, use_errno=True)
PATIENCE = 20  # seconds for what ought to happen at once
FIELD = re.compile(r'(\S+?)=("(?:[^"\\]|\\.)*"|\S*)')


def scenario(function):
    """What the runner plays."""
    function.is_scenario = True
    return function


class Failure(Exception):
    """A case failed."""


def check(condition, what):
    if not condition:
        raise Failure(what)


def until(condition, what, seconds=PATIENCE):
    """Wait for <condition>() to be true; its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f'not within {seconds} s: {what}')
        time.sleep(0.01)


def run(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def connect(port, source, to=VIP, timeout=10):
    return socket.create_connection((to, port), timeout, (source, 0))


def start_connect(source):
    """Do not wait for it."""
    sock = socket.socket()
    sock.setblocking(False)
    sock.bind((source, 0))
    sock.connect_ex((VIP, 135))
    return sock


def reset(sock):
    """Close with a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                    struct.pack('ii', 1, 0))
    sock.close()


def send_all(sock, octets):
    """The other side may have had enough before the end."""
    try:
        sock.sendall(octets)
    except (BrokenPipeError, ConnectionResetError):
        pass


def ending(sock, seconds=PATIENCE):
    """How the other side ends this connection: 'closed' or 'reset'."""
    sock.settimeout(seconds)
    try:
        while sock.recv(65536):
            pass
    except ConnectionResetError:
        return 'reset'
    except socket.timeout:
        raise Failure('the connection stays open')
    return 'closed'


def attempt(port, source):
    """How a connection ends to which nothing is sent: 'refused', 'reset' or
    'closed'."""
    try:
        sock = connect(port, source)
    except ConnectionRefusedError:
        return 'refused'
    except ConnectionResetError:
        return 'reset'
    try:
        return ending(sock)
    finally:
        sock.close()


def is_refused(port, source):
    """Nobody takes a connection to <port>."""
    try:
        connect(port, source).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass  # taken, and ended
    return False


def is_bound(port, source, interface=rpc.EMSMDB):
    """A bind to <port> is accepted."""
    try:
        with connect(port, source) as sock:
            sock.sendall(rpc.bind(interface))
            return rpc.read_pdu(sock)[0] == rpc.BIND_ACK
    except (ConnectionError, rpc.Gone):
        return False


class Process:
    def __init__(self, name, words, folder, stdout=None, **more):
        self.name = name
        self.path = os.path.join(folder, name + '.log')
        self.err = os.path.join(folder, name + '.err')
        if 'stderr' not in more:
            more['stderr'] = open(self.err, 'wb')
        self.popen = subprocess.Popen(
            words, stdin=subprocess.DEVNULL,
            stdout=stdout or open(self.path, 'wb'), **more)
        self.pid = self.popen.pid

    def is_up(self):
        return self.popen.poll() is None

    def kill(self, number):
        os.kill(self.pid, number)

    def wait(self, seconds=PATIENCE):
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f'{self.name} does not end')

    def output(self):
        with open(self.path) as file:
            return file.read()


class Fresh:
    """A client that calls the endpoint mapper on a new connection each time,
    for as long as it may."""

    def __init__(self, source):
        self.source = source
        self.calls = 0
        self.slowest = 0
        self.failure = None
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        while not self.is_over.wait(0.01):
            began = time.monotonic()
            try:
                self.call()
            except (OSError, rpc.Gone, LookupError) as failure:
                self.failure = f'call {self.calls}: {failure!r}'
                return
            self.calls += 1
            self.slowest = max(self.slowest, time.monotonic() - began)

    def call(self):
        rpc.port_of(VIP, self.source, timeout=5)

    def finish(self):
        self.is_over.set()
        self.thread.join(PATIENCE)


class Held(Fresh):
    """The same on one connection."""

    caller = None

    def call(self):
        if not self.caller:
            self.caller = rpc.Caller(VIP, self.source)
        self.caller.port_of(rpc.EMSMDB)


class World:
    def __init__(self, scenario, binary, tools):
        self.scenario = scenario
        self.binary = binary
        self.tools = tools
        self.folder = tempfile.mkdtemp(prefix='abuse-')
        self.servers = {}
        self.settings = {
            'balancer': {'vip': VIP, 'source': SOURCE, 'threads': '2',
                         'connect-timeout': '2s', 'stop-timeout': '300ms',
                         'state-file': os.path.join(self.folder, 'state')},
            'affinity': {'timeout': '1m', 'entries': '10000'},
            'rpc': {'ports': 'dynamic'},
            'check': {'interval': '1s', 'timeout': '1s'},
        }
        self.states = {}
        self.sims = {}
        self.daemon = None
        self.idle_descriptors = 0
        self.outlook = None
        self.others = []
        self.failed = 0
        self.abusers = 0
        self.is_asan = '/asan/' in binary
        run('ip', 'link', 'set', 'lo', 'up')
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    def take_anything(self):
        """For raw octets, which are no RPC: what is no RPC would be reset
        where only some interfaces may be used."""
        self.settings['rpc']['interfaces'] = 'any'

    # servers

    def address(self, name):
        return '127.0.1.' + str(20 + int(name[3:]))

    def sim(self, name, *more):
        """A simulated server of that name."""
        sim = Process(name, [f'{self.tools}/cas-sim', '--server',
                             f'{name}={self.address(name)}', '--range',
                             '20000-29999', *more],
                      self.folder)
        self.sims[name] = sim
        until(lambda: 'ready' in sim.output() or not sim.is_up(),
              f'{name} is ready')
        check(sim.is_up(), f'{name} did not start')
        return sim

    def kill_sim(self, name):
        sim = self.sims.pop(name)
        sim.kill(signal.SIGKILL)
        sim.wait()

    # the daemon

    def write_conf(self):
        self.conf = os.path.join(self.folder, 'mapilbd.ini')
        lines = []
        for section, keys in self.settings.items():
            lines.append(f'[{section}]')
            lines += [f'{key} = {value}' for key, value in keys.items()]
        for name, address in self.servers.items():
            lines += [f'[server {name}]', f'address = {address}',
                      f'state = {self.states.get(name, "enabled")}']
        with open(self.conf, 'w') as file:
            file.write('\n'.join(lines) + '\n')

    def start(self, *names, limits=(), without=(), wait=True, **more):
        """The daemon before <names>, <without> some capabilities; ready,
        where the log can be read."""
        for name in names:
            self.servers.setdefault(name, self.address(name))
        self.write_conf()

        def prepare():
            for what, value in limits:
                resource.setrlimit(what, (value, value))
            for capability in without:
                LIBC.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)

        environ = dict(os.environ)
        report = os.path.join(self.folder, 'sanitizer')
        environ['ASAN_OPTIONS'] = f'log_path={report}:quarantine_size_mb=1'
        environ['UBSAN_OPTIONS'] = f'log_path={report}:print_stacktrace=1'
        self.daemon = Process('mapilbd', [self.binary, '-c', self.conf],
                              self.folder, env=environ, preexec_fn=prepare,
                              **more)
        self.log_path = self.daemon.err
        if wait and 'stderr' not in more:
            self.wait_log('ready')
            self.idle_descriptors = self.descriptors()

    def lines(self, event=None, since=0, **fields):
        """What the log says of <event>, each line a dictionary."""
        found = []
        if not os.path.exists(self.log_path):
            return found
        with open(self.log_path, errors='replace') as file:
            file.seek(since)
            for line in file:
                if not line.endswith('\n'):
                    break
                entry = {key: value.strip('"')
                         for key, value in FIELD.findall(line)}
                if event and not matches(entry.get('event'), event):
                    continue
                if all(matches(entry.get(key.replace('_', '-')), value)
                       for key, value in fields.items()):
                    found.append(entry)
        return found

    def mark(self):
        """Where the log ends now; for <since>."""
        return os.path.getsize(self.log_path)

    def wait_log(self, event, since=0, seconds=PATIENCE, **fields):
        def look():
            self.is_up()
            return self.lines(event, since, **fields)

        return until(look, f'the log says event={event} {fields}',
                     seconds)[-1]

    def reload(self):
        since = self.mark()
        self.write_conf()
        self.daemon.kill(signal.SIGHUP)
        self.wait_log('reload', since)

    def join(self, *names):
        """More servers, by reload; known to the balancer when it returns."""
        since = self.mark()
        for name in names:
            self.servers[name] = self.address(name)
        self.reload()
        for name in names:
            until(lambda: self.lines('endpoint-mapper', since, server=name)
                  or self.lines('endpoint-mapper-failed', since, server=name),
                  f'{name} was asked')

    def rss_kib(self):
        with open(f'/proc/{self.daemon.pid}/status') as file:
            return int(re.search(r'VmRSS:\s+(\d+)', file.read()).group(1))

    def cpu_s(self):
        with open(f'/proc/{self.daemon.pid}/stat') as file:
            words = file.read().rsplit(')', 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf('SC_CLK_TCK')

    def descriptors(self):
        return len(os.listdir(f'/proc/{self.daemon.pid}/fd'))

    def pipes(self):
        """Descriptors of pipes that the daemon has."""
        folder = f'/proc/{self.daemon.pid}/fd'
        n = 0
        for fd in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):  # just closed
                n += os.readlink(f'{folder}/{fd}').startswith('pipe:')
        return n

    def leave_descriptors(self, n):
        """The daemon gets that many more and no others."""
        taken = set(map(int, os.listdir(f'/proc/{self.daemon.pid}/fd')))
        free = [fd for fd in range(max(taken) + n + 2) if fd not in taken]
        self.limit_descriptors(free[n])

    def limit_descriptors(self, most=None):
        """None: as many as may be."""
        _, hard = resource.prlimit(self.daemon.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(self.daemon.pid, resource.RLIMIT_NOFILE,
                         (most or hard, hard))

    # clients

    def abuser(self):
        """An address that no client had before."""
        self.abusers += 1
        return f'127.0.{4 + self.abusers // 250}.{1 + self.abusers % 250}'

    def neighbours(self, fresh=True, clients=2):
        """Well-behaved clients; they work when it returns."""
        self.outlook = Process(
            'outlook', [f'{self.tools}/outlook-sim', '--to', VIP, '--from',
                        '127.0.2.0/24', '--clients', str(clients), '--strict',
                        '--json', '--ramp', '0', '--duration', '5m',
                        '--think', '50ms', '--timeout', '8s', '--refresh',
                        '1s' if fresh else '4m'], self.folder)
        self.others = [Held('127.0.3.2')]
        if fresh:
            self.others.append(Fresh('127.0.3.1'))
        # an endpoint mapper's four lookups, four endpoints, pool and link
        until(lambda: len(self.lines('open', client=r'127\.0\.2\.\d+:\d+',
                                     port=r'(?!135$).*')) >= 6 * clients,
              'the clients work')
        for other in self.others:
            until(lambda: other.calls or other.failure, 'a call is answered')

    def is_up(self):
        if not self.daemon.is_up():
            raise Failure(f'mapilbd ended: {self.tail(self.log_path)}')

    def are_well(self):
        """Nobody noticed anything until now, and all still work."""
        self.is_up()
        for other in self.others:
            check(not other.failure, f'a neighbour noticed: {other.failure}')
            calls = other.calls
            until(lambda: other.calls > calls + 1 or other.failure,
                  'a neighbour is served')
            check(not other.failure, f'a neighbour noticed: {other.failure}')
        if self.outlook:
            check(self.outlook.is_up(),
                  f'outlook-sim ended: {self.outlook.output()}')

    def end_neighbours(self):
        for other in self.others:
            other.finish()
        for other in self.others:
            check(not other.failure, f'a neighbour noticed: {other.failure}')
        self.others = []
        if not self.outlook:
            return
        outlook, self.outlook = self.outlook, None
        outlook.kill(signal.SIGTERM)
        status = outlook.wait()
        report = outlook.output()
        check(status == 0, f'outlook-sim noticed: {report}')
        report = json.loads(report)
        check(report['calls'] > 0 and
              report['working_at_end'] == report['clients'],
              f'outlook-sim did not work: {report}')

    # cases

    @contextlib.contextmanager
    def case(self, name, all_well=True):
        """One line of the result; afterwards the neighbours must be well."""
        began = time.monotonic()
        try:
            yield
            if all_well:
                self.are_well()
        except Exception as failure:
            self.failed += 1
            self.say(False, name, began)
            steps = traceback.extract_tb(failure.__traceback__)
            place = [step for step in steps
                     if 'scenarios_' in step.filename]
            where = (place or steps)[-1]
            what = failure if isinstance(failure, Failure) else repr(failure)
            print(f'     {what}\n     at {os.path.basename(where.filename)}:'
                  f'{where.lineno}')
            if self.daemon and os.path.exists(self.log_path):
                print('     log: ' + self.tail(self.log_path))
            sys.stdout.flush()
        else:
            self.say(True, name, began)

    def say(self, is_good, name, began):
        took_ms = (time.monotonic() - began) * 1000
        print(f'{"ok  " if is_good else "FAIL"} {self.scenario}: {name} '
              f'({took_ms:.0f} ms)', flush=True)

    @staticmethod
    def tail(path, lines=6):
        if not os.path.exists(path):
            return 'nothing'
        with open(path, errors='replace') as file:
            return '\n          '.join(file.read().splitlines()[-lines:])

    def no_report(self):
        """The sanitizers found nothing."""
        for name in os.listdir(self.folder):
            if name.startswith('sanitizer'):
                with open(os.path.join(self.folder, name)) as file:
                    raise Failure(file.read()[:6000])

    def finish(self):
        """The end that every scenario has."""
        with self.case('the neighbours noticed nothing'):
            self.end_neighbours()
        with self.case('no descriptor has leaked'):
            until(lambda: self.descriptors() <= self.idle_descriptors
                  + self.pipes(), 'as few are open as in the beginning')
        with self.case('the daemon ends well', all_well=False):
            self.finish_daemon()

    def finish_daemon(self):
        if self.daemon.is_up():
            self.daemon.kill(signal.SIGTERM)
        status = self.daemon.wait()
        self.daemon = None
        check(status == 0, f'exit status {status}')
        self.no_report()


def matches(have, wanted):
    if have is None:
        return False
    if isinstance(wanted, int):
        return have == str(wanted)
    return re.fullmatch(wanted, have) is not None


def unshare_mounts():
    """Mounts of ours are nobody else's."""
    LIBC.mount(b'none', b'/', None, 0x4000 | 0x40000, None)


def hold_syn(address, *match):
    """Connects to <address> are not answered."""
    run('nft', 'add', 'table', 'inet', 'abuse')
    run('nft', 'add', 'chain', 'inet', 'abuse', 'in',
        '{ type filter hook input priority 0; }')
    run('nft', 'add', 'rule', 'inet', 'abuse', 'in', 'ip', 'daddr', address,
        'tcp', 'flags', 'syn', *match, 'drop')
