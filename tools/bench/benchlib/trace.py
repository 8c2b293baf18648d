"""System calls of a process, counted by strace."""

import os
import shutil
import signal
import subprocess

from . import host

GROUPS = {
    "recv": ("recvfrom", "recvmsg", "read", "readv"),
    "send": ("sendto", "sendmsg", "write", "writev"),
    "splice": ("splice", "pipe2"),
    "epoll_wait": ("epoll_wait", "epoll_pwait", "epoll_pwait2"),
    "epoll_ctl": ("epoll_ctl",),
    "accept": ("accept", "accept4"),
    "connect": ("socket", "bind", "connect"),
    "options": ("setsockopt", "getsockopt", "fcntl", "ioctl", "getsockname",
                "getpeername"),
    "close": ("close", "shutdown"),
}


class Trace:
    """Counts while its `with` lasts."""

    def __init__(self, pid, cores):
        if not shutil.which("strace"):
            raise host.Refusal("strace is missing: apt-get install strace")
        self.pid = pid
        self.cores = cores
        self.path = f"{host.SCRATCH}/strace"
        self.calls = {}

    def __enter__(self):
        self.process = subprocess.Popen(
            ["strace", "-c", "-f", "-o", self.path, "-p", str(self.pid)],
            stderr=subprocess.PIPE, text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, self.cores))
        if "attached" not in self.process.stderr.readline():
            raise host.Refusal("strace cannot attach")
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(10)
        self.process.stderr.close()
        with open(self.path) as f:
            for line in f:
                fields = line.split()
                if len(fields) >= 5 and fields[3].isdigit():
                    self.calls[fields[-1]] = int(fields[3])
        self.calls.pop("total", None)

    def per_operation(self, operations):
        """{group: calls for each operation}, with "all" and "other"."""
        rest = dict(self.calls)
        out = {"all": sum(rest.values())}
        for group, names in GROUPS.items():
            out[group] = sum(rest.pop(name, 0) for name in names)
        out["other"] = sum(rest.values())
        return {group: calls / max(operations, 1)
                for group, calls in out.items()}
