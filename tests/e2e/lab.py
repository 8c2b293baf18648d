"""The laboratory: network namespaces on a bridge, and what runs in them.

Layer: tests/e2e.  Needs root, iproute2 and util-linux (nsenter).

A laboratory never touches the host's own network: even its bridge lives in
a namespace.  Everything it starts is ended by pid or by namespace.  Names
carry the pid of the run, so that runs do not collide and the leftovers of
one that was killed can be told from those of one that lives.
"""

import ctypes
import fcntl
import multiprocessing
import os
import shutil
import signal
import subprocess
import tempfile
import time
import traceback

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
NAMES = "e2e-"			# namespaces: e2e-<pid>-<world>-<node>
FOLDERS = "mapilb-e2e-"		# in the temporary folder: mapilb-e2e-<pid>

libc = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    """The laboratory itself failed: never the fault of what it tests."""


def ip(*words):
    subprocess.run(("ip",) + words, check=True, stdin=subprocess.DEVNULL)


def v4(number):
    return f"10.77.{number >> 8}.{number & 255}"


def v6(number):
    """The hexadecimal digits are the number's decimal ones."""
    return f"fd00:77::{number}"


def address(number, family):
    """The address of a node in family 4 or 6."""
    return v4(number) if family == 4 else v6(number)


def die_with_parent():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def wait_until(true, seconds, what, pause=0.02):
    """Poll a condition; LabError with <what> when its time is over."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise LabError(f"{what}: not within {seconds} s")
        time.sleep(pause)


class TaskError(Exception):
    """A task in a namespace failed; the text says how."""


class Task:
    """A Python function that runs in a namespace, in a process of its own.

    A function that takes the keyword <tell> may report on its way; the
    reports are read with next().
    """

    def __init__(self, namespace, function, args, kwargs):
        self.label = getattr(function, "__name__", "task")
        self.pipe, theirs = multiprocessing.Pipe(duplex=False)
        self.pid = os.fork()
        if self.pid == 0:
            self.pipe.close()
            self._child(namespace, function, args, kwargs, theirs)
        theirs.close()

    @staticmethod
    def _child(namespace, function, args, kwargs, pipe):
        code = 1
        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            die_with_parent()
            enter(namespace)
            if kwargs.pop("tells", False):
                kwargs["tell"] = lambda what: pipe.send(("told", what))
            pipe.send(("result", function(*args, **kwargs)))
            code = 0
        except BaseException:
            pipe.send(("error", traceback.format_exc(limit=-4).strip()))
        finally:
            os._exit(code)

    def next(self, seconds):
        """The next report of the task: ("told"|"result", value)."""
        if not self.pipe.poll(seconds):
            self.kill()
            raise TaskError(f"{self.label} said nothing for {seconds} s")
        try:
            kind, value = self.pipe.recv()
        except EOFError:
            self.kill()
            raise TaskError(f"{self.label} ended without a result")
        if kind == "error":
            self.kill()
            last = value.splitlines()[-1]
            raise TaskError(f"{self.label}: {last}\n{value}")
        if kind == "result":
            self._reap()
        return kind, value

    def result(self, seconds):
        """What the function returned; TaskError if it raised or hangs."""
        end = time.monotonic() + seconds
        while True:
            kind, value = self.next(max(0, end - time.monotonic()))
            if kind == "result":
                return value

    def kill(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            self._reap()

    def _reap(self):
        if self.pid:
            os.waitpid(self.pid, 0)
            self.pid = 0
            self.pipe.close()


def enter(namespace):
    """Move this thread into a namespace: only for forked children."""
    fd = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    if libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), f"setns {namespace}")
    os.close(fd)


class Lab:
    """Namespaces on one bridge.  close() ends whatever runs in them."""

    def __init__(self, world):
        self.prefix = f"{NAMES}{os.getppid()}-{world}-"
        self.folder = os.path.join(run_folder(os.getppid()), world)
        self.namespaces = []
        self.children = []
        self.tasks = []
        os.makedirs(self.folder, mode=0o755)

    def open(self):
        self._namespace("br")
        self._ip("br", "link", "add", "br0", "type", "bridge",
                 "mcast_snooping", "0")
        self._ip("br", "link", "set", "br0", "up")

    def node(self, name, number):
        """A namespace with one interface and an address of each family."""
        self._namespace(name)
        ip("link", "add", "eth0", "netns", self.prefix + name, "type",
           "veth", "peer", "name", name, "netns", self.prefix + "br")
        self._ip("br", "link", "set", name, "master", "br0", "up")
        self._ip(name, "link", "set", "eth0", "up")
        self._addresses(name, [number])

    def more(self, name, *numbers):
        """Further addresses for a node, which it uses only when asked."""
        self._addresses(name, numbers, "preferred_lft", "0")

    def gateway(self, name, number):
        """A node that forwards for others, behind its own address."""
        self.node(name, number)
        for file in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
            self.run(name, ["sh", "-c", f"echo 1 >/proc/sys/net/{file}"], 5)
        self.nft(name, "add table inet nat", "add chain inet nat out "
                 "{ type nat hook postrouting priority 100; }",
                 "add rule inet nat out oifname eth0 masquerade")

    def behind(self, gateway, name, number):
        """A node in a network of its own behind a gateway."""
        self._namespace(name)
        ip("link", "add", "eth0", "netns", self.prefix + name, "type",
           "veth", "peer", "name", name, "netns", self.prefix + gateway)
        for node, device, host in ((gateway, name, 1), (name, "eth0", 2)):
            self._ip(node, "link", "set", device, "up")
            self._ip(node, "addr", "add", f"10.78.{number}.{host}/24",
                     "dev", device)
            self._ip(node, "addr", "add", f"fd00:78:{number}::{host}/64",
                     "dev", device, "nodad")
        self._ip(name, "route", "add", "default", "via", f"10.78.{number}.1")
        self._ip(name, "route", "add", "default", "via",
                 f"fd00:78:{number}::1")

    def _addresses(self, name, numbers, *words):
        words = " ".join(words)
        batch = "".join(f"addr add {v4(n)}/16 dev eth0\n"
                        f"addr add {v6(n)}/64 dev eth0 nodad {words}\n"
                        for n in numbers)
        subprocess.run(["ip", "-n", self.prefix + name, "-batch", "-"],
                       input=batch, text=True, check=True)

    def less(self, name, number):
        """Take an address of a node away, in both families."""
        self._ip(name, "addr", "del", v4(number) + "/16", "dev", "eth0")
        self._ip(name, "addr", "del", v6(number) + "/64", "dev", "eth0")

    def _namespace(self, name):
        self.namespaces.append(self.prefix + name)
        ip("netns", "add", self.prefix + name)
        self._ip(name, "link", "set", "lo", "up")

    def _ip(self, name, *words):
        ip("-n", self.prefix + name, *words)

    def start(self, node, argv, log):
        """Start a program in a node; its output goes to the file <log>."""
        with open(log, "ab") as out:
            child = subprocess.Popen(
                self._nsenter(node) + list(argv), stdin=subprocess.DEVNULL,
                stdout=out, stderr=out, preexec_fn=die_with_parent)
        self.children.append(child)
        return child

    def run(self, node, argv, seconds, **kwargs):
        """Run a program in a node to its end; its output as text."""
        return subprocess.run(
            self._nsenter(node) + list(argv), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", timeout=seconds, preexec_fn=die_with_parent,
            **kwargs)

    def nft(self, node, *commands):
        """Say commands to a node's packet filter."""
        done = self.run(node, ["nft", "; ".join(commands)], 10)
        if done.returncode != 0:
            raise LabError(f"nft: {done.stdout.strip()}")

    def _nsenter(self, node):
        return ["nsenter", f"--net=/run/netns/{self.prefix}{node}", "--"]

    def task(self, node, function, *args, **kwargs):
        """Start a Python function in a node."""
        task = Task(self.prefix + node, function, args, kwargs)
        self.tasks.append(task)
        return task

    def call(self, node, function, *args, seconds=30, **kwargs):
        """Run a Python function in a node and wait for its result."""
        return self.task(node, function, *args, **kwargs).result(seconds)

    def end_tasks(self):
        """End the tasks that a failed case left behind."""
        for task in self.tasks:
            task.kill()
        self.tasks = []

    def link(self, node, state):
        """Take a node's cable out ("down") or put it back ("up")."""
        self._ip("br", "link", "set", node, state)

    def close(self):
        self.end_tasks()
        for child in self.children:
            if child.poll() is None:
                child.kill()
                child.wait()
        for name in self.namespaces:
            remove_namespace(name)
        self.namespaces = []
        shutil.rmtree(self.folder, ignore_errors=True)


def run_folder(pid):
    return os.path.join(tempfile.gettempdir(), FOLDERS + str(pid))


def namespaces():
    text = subprocess.run(["ip", "netns", "list"], check=True, text=True,
                          stdout=subprocess.PIPE).stdout
    return [line.split()[0] for line in text.splitlines() if line.strip()]


def remove_namespace(name):
    """End whatever runs in a namespace, then the namespace."""
    pids = subprocess.run(["ip", "netns", "pids", name], text=True,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL).stdout.split()
    for pid in pids:
        try:
            os.kill(int(pid), signal.SIGKILL)
        except ProcessLookupError:
            pass
    subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL)


def claim_run():
    """Make this run's folder and hold it: as long as the returned file is
    open, here or in a child, the run lives."""
    folder = run_folder(os.getpid())
    os.makedirs(folder, mode=0o755)
    lock = open(os.path.join(folder, "lock"), "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def run_lives(pid):
    """Whether a run of that pid holds its folder."""
    try:
        with open(os.path.join(run_folder(pid), "lock")) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return False
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True


def remove_run(pid):
    """Remove every namespace and the folder of a run."""
    for name in namespaces():
        if name.startswith(f"{NAMES}{pid}-"):
            remove_namespace(name)
    shutil.rmtree(run_folder(pid), ignore_errors=True)


def remove_leftovers():
    """Remove what runs that were killed have left behind."""
    pids = {name[len(NAMES):].split("-")[0] for name in namespaces()
            if name.startswith(NAMES)}
    pids |= {name[len(FOLDERS):] for name in os.listdir(tempfile.gettempdir())
             if name.startswith(FOLDERS)}
    for pid in pids:
        if pid.isdigit() and not run_lives(pid):
            remove_run(pid)
