"""The processes of a measurement: servers, balancer, clients."""

import contextlib
import json
import os
import resource
import socket
import subprocess
import time

from . import host, proc, subjects

START_LIMIT_S = 15
RUN_LIMIT_S = 120
CLIENTS = "127.60.1.1/250"      # source addresses of the load
MAPPER_CLIENTS = 32
ANSWER_MAX = 4096
BIND_ACK = b"\x0c"              # the type of a PDU


def pinned(cores):
    return lambda: os.sched_setaffinity(0, cores)


def tail(path):
    with open(path, errors="replace") as f:
        return "".join(f.readlines()[-5:]).strip()


@contextlib.contextmanager
def killed_at_end(process):
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def expect_ready(process, what):
    if process.stdout.readline().strip() != "ready":
        raise host.Refusal(f"{what} ended with status {process.wait()}")


def exchange_once(port, bind):
    """True when a bind came back answered through the balancer."""
    try:
        with socket.create_connection((subjects.VIP, port), 1) as peer:
            peer.sendall(bind)
            got = peer.recv(ANSWER_MAX)
            while got and len(got) < int.from_bytes(got[8:10], "little"):
                more = peer.recv(ANSWER_MAX)
                if not more:
                    return False
                got += more
            return got[2:3] == BIND_ACK
    except OSError:
        return False


class Processes:
    """Starts and pins; every process ends with its `with`."""

    def __init__(self, programs, tools):
        self.programs = programs
        self.tools = tools
        self.balancer_cores, self.other_cores = host.cores()
        self.bind = {mode: self.first_message(mode)
                     for mode in ("exchange", "mapper")}

    def first_message(self, mode):
        return subprocess.run(
            [*self.load_command(mode, 1, "1"), "--say"], check=True,
            capture_output=True).stdout

    @contextlib.contextmanager
    def sink(self, steer=False):
        command = [f"{self.tools}/sink",
                   "--at", f"{subjects.SERVERS[0]}/{len(subjects.SERVERS)}",
                   "--port", str(subjects.PORT),
                   "--port", str(subjects.PORT + 1), "--port", "135"]
        if steer:
            command += ["--steer", "{}-{}".format(*subjects.RANGE)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                                   preexec_fn=pinned(self.other_cores))
        with killed_at_end(process):
            expect_ready(process, "sink")
            yield process.pid

    def is_ready(self, setup, port):
        """Does it answer? As an endpoint mapper: every client, with a port
        that it is let in at."""
        if not setup.mapper:
            return exchange_once(port, self.bind["exchange"])
        if not exchange_once(port, self.bind["mapper"]):
            return False
        command = self.load_command("mapper", MAPPER_CLIENTS, str(port))
        done = subprocess.run([*command, "--warm-up", "0", "--window", "200"], text=True,
                              capture_output=True,
                              preexec_fn=pinned(self.other_cores))
        return not done.returncode and not json.loads(done.stdout)["failed"]

    @contextlib.contextmanager
    def balancer(self, subject, setup, port):
        """Yields (pid, seconds until it answered)."""
        command = self.programs.command(subject, setup)
        path = f"{host.SCRATCH}/{subject.family}.stderr"
        cores = self.balancer_cores
        if setup.threads > 1:
            cores = cores | self.other_cores
        with open(path, "w") as log:
            start = time.monotonic()
            process = subprocess.Popen(command, stdout=log, stderr=log,
                                       preexec_fn=pinned(cores))
        with killed_at_end(process):
            while not self.is_ready(setup, port):
                if process.poll() is not None:
                    raise host.Refusal(f"{subject.name} ended at its start: "
                                       f"{tail(path)}")
                if time.monotonic() - start > START_LIMIT_S:
                    raise host.Refusal(
                        f"{subject.name} does not answer after "
                        f"{START_LIMIT_S} s: {tail(path) or 'no word'}")
                time.sleep(0.001)
            yield process.pid, time.monotonic() - start

    def load_command(self, mode, connections, ports):
        return [f"{self.tools}/load", "--mode", mode,
                "--to", subjects.VIP, "--port", ports, "--from", CLIENTS,
                "--connections", str(connections)]

    def load(self, mode, connections, ports, scale, watch):
        """One window: what load printed, TCP segments sent again, and the
        part of the machine that processes other than ours took."""
        command = self.load_command(mode, connections, ports) + [
            "--warm-up", str(scale.warm_ms), "--window", str(scale.window_ms)]
        for name, pid in watch.items():
            command += ["--watch", f"{name}={pid}"]
        before = host.retransmitted(), self.foreign_seconds(watch)
        start = time.monotonic()
        done = subprocess.run(command, text=True, capture_output=True,
                              timeout=RUN_LIMIT_S,
                              preexec_fn=pinned(self.other_cores))
        if done.returncode:
            raise host.Refusal(f"load: {done.stderr.strip()}")
        out = json.loads(done.stdout)
        took = (time.monotonic() - start) * os.cpu_count()
        out["retransmitted"] = host.retransmitted() - before[0]
        out["foreign"] = (self.foreign_seconds(watch) - before[1]) / took
        return out

    def inside(self, what, rounds):
        """The figure that inside prints, on the balancer's core."""
        done = subprocess.run(
            [f"{self.tools}/inside", what, str(rounds)], text=True,
            capture_output=True, timeout=RUN_LIMIT_S,
            preexec_fn=pinned(self.balancer_cores))
        if done.returncode:
            raise host.Refusal(f"inside: {done.stderr.strip()}")
        return float(done.stdout)

    @staticmethod
    def foreign_seconds(watch):
        """CPU so far that is neither ours nor of what we started."""
        ours = sum(proc.cpu_seconds(pid) for pid in watch.values())
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
            usage = resource.getrusage(who)
            ours += usage.ru_utime + usage.ru_stime
        return host.busy_seconds() - ours

    @contextlib.contextmanager
    def idle_connections(self, connections):
        """Yields when all are open, have exchanged once, and are idle."""
        process = subprocess.Popen(
            self.load_command("hold", connections, str(subjects.PORT)),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            preexec_fn=pinned(self.other_cores))
        with killed_at_end(process):
            expect_ready(process, "load")
            yield
            process.stdin.close()
            process.wait(RUN_LIMIT_S)
