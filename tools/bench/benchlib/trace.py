"""System calls of a process, counted by the kernel for perf."""

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

    def __init__(self, pid):
        if not shutil.which("perf"):
            raise host.Refusal("perf is missing: apt-get install linux-perf")
        self.pid = pid
        self.path = f"{host.SCRATCH}/perf"
        self.calls = {}

    def __enter__(self):
        """Returns when perf says that it counts."""
        control, ack = os.pipe(), os.pipe()
        self.process = subprocess.Popen(
            ["perf", "stat", "-x", ",", "-o", self.path,
             "-e", "syscalls:sys_enter_*", "-p", str(self.pid),
             "-D", "-1", "--control", f"fd:{control[0]},{ack[1]}"],
            pass_fds=(control[0], ack[1]), stderr=subprocess.DEVNULL)
        os.close(control[0])
        os.close(ack[1])
        with open(control[1], "wb", 0) as out, open(ack[0], "rb", 0) as back:
            out.write(b"enable\n")
            if not back.read(3).startswith(b"ack"):
                raise host.Refusal("perf cannot count system calls")
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)
        with open(self.path) as f:
            for line in f:
                fields = line.split(",")
                if len(fields) > 2 and fields[0].isdigit():
                    name = fields[2].split("sys_enter_")[-1]
                    self.calls[name] = int(fields[0])

    def per_operation(self, operations):
        """{group: calls for each operation}, with "all" and "other"."""
        rest = dict(self.calls)
        out = {"all": sum(rest.values())}
        for group, names in GROUPS.items():
            out[group] = sum(rest.pop(name, 0) for name in names)
        out["other"] = sum(rest.values())
        return {group: calls / max(operations, 1)
                for group, calls in out.items()}
