"""The measurements. Each is a generator of report tables."""

import sys
import time

from . import proc, subjects, trace
from .processes import Processes
from .report import Figure, Table, Target
from .subjects import (BEFORE, HAPROXY, HAPROXY_SPLICE, MAPILBD, MAPPERS,
                       NGINX, Setup)

BULK_CONNECTIONS = 16
CONNECT_PARALLEL = 32
ASK_CONNECTIONS = 32
SETTLE_LIMIT_S = 3

CPU_US = Figure("cpu", "CPU per {}", "µs", 2, lower_is_better=True)
RATE = Figure("rate", "{}/s", "", 0)
BUSY = Figure("busy", "balancer busy", "%", 0, compared=False)
LOAD_BUSY = Figure("load_busy", "load busy", "%", 0, compared=False)
OTHERS = Figure("others", "others busy", "%", 0, compared=False)
LOST = Figure("lost", "failed + resent", "", 0, compared=False)


class Scale:
    """How long and how often."""

    def __init__(self, quick, rounds):
        self.quick = quick
        self.rounds = rounds or (2 if quick else 7)
        self.window_ms = 500 if quick else 1000
        self.warm_ms = 200 if quick else 300
        self.idle = 4000 if quick else 8000
        self.inside = 100000 if quick else 1000000
        self.leases = 1000000


class Bench:
    """What a measurement needs."""

    def __init__(self, programs, chosen, scale, tools):
        self.chosen = chosen
        self.scale = scale
        self.processes = Processes(programs, tools)
        self.has_before = programs.before is not None

    def present(self, *wanted):
        return [s for s in wanted if s.family in self.chosen
                and (s != BEFORE or self.has_before)]

    def interleave(self, table, cases, sample, rounds=None):
        """Rounds over all cases and subjects, each other round backwards.

        <cases>  [(case, subject, what sample takes besides)]
        """
        rounds = rounds or self.scale.rounds
        for turn in range(rounds):
            for case, subject, extra in cases[::-1 if turn % 2 else 1]:
                print(f"round {turn + 1}/{rounds}: {table.title}, "
                      f"{case}, {subject}", file=sys.stderr)
                table.add(case, subject, turn, sample(*extra))
        return table


def window(bench, mode, connections, subject, setup=Setup(), sink=None):
    """Starts the subject, runs one window; load's result."""
    with bench.processes.balancer(subject, setup, setup.port) as (pid, _):
        return bench.processes.load(mode, connections, str(setup.port),
                                    bench.scale,
                                    {"balancer": pid, "sink": sink})


def common_figures(bench, result):
    cpu = result["cpu_ns"]
    ns = result["seconds"] * 1e9
    cores = len(bench.processes.other_cores)
    return {
        "busy": 100 * cpu["balancer"] / ns,
        "load_busy": 100 * (cpu["load"] + cpu["sink"]) / ns / cores,
        "others": max(0, 100 * result["foreign"]),
        "lost": result["failed"] + result["retransmitted"],
    }


def per_operation(bench, result):
    done = max(result["operations"], 1)
    return {
        "cpu": result["cpu_ns"]["balancer"] / done / 1e3,
        "rate": result["operations"] / result["seconds"],
        **common_figures(bench, result),
    }


def exchange(bench):
    table = Table(
        "Request and response",
        "RPC: PDUs of 200 octets there, 600 back, one at a time on each open "
        "connection.",
        "connections",
        [CPU_US.named("request"), RATE.named("requests"), BUSY, LOAD_BUSY,
         OTHERS, LOST],
        [Target("cpu", "mapilbd", "haproxy", 0.92),
         Target("rate", "mapilbd", "haproxy", 1.0)])
    with bench.processes.sink() as sink:
        def sample(connections, subject):
            return per_operation(bench, window(
                bench, "exchange", connections, subject, sink=sink))
        yield bench.interleave(table, [
            (f"{n:,}", s.name, (n, s)) for n in (10, 100, 1000, 4000)
            for s in bench.present(HAPROXY, NGINX, MAPILBD, BEFORE)],
            sample)


def connect(bench):
    table = Table(
        "New connections",
        f"{CONNECT_PARALLEL} at a time: open, bind (200 octets, answered "
        "with 600), close. Affinity by client address (250 clients) and a log file are on: haproxy's "
        "stick table and tcplog, nginx's hash and access log.",
        "at a time",
        [CPU_US.named("connection"), RATE.named("connections"), BUSY,
         LOAD_BUSY, OTHERS, LOST],
        [Target("cpu", "mapilbd", "haproxy", 0.85)])
    with bench.processes.sink() as sink:
        def sample(subject):
            return per_operation(bench, window(
                bench, "connect", CONNECT_PARALLEL, subject,
                Setup(log=True), sink))
        yield bench.interleave(table, [
            (str(CONNECT_PARALLEL), s.name, (s,))
            for s in bench.present(HAPROXY, NGINX, MAPILBD, BEFORE)],
            sample)


def bulk(bench):
    table = Table(
        "Bulk",
        f"{BULK_CONNECTIONS} connections, octets without end in one "
        "direction; as PDUs of 5,840 octets, and as octets that are no RPC "
        "(for which mapilbd has interfaces = any).",
        "direction",
        [Figure("cpu", "CPU per GB", "ms", 0, lower_is_better=True),
         Figure("rate", "Gbit/s", "", 1), BUSY, LOAD_BUSY, OTHERS, LOST],
        [Target("cpu", "mapilbd", "haproxy", 0.30),
         Target("cpu", "mapilbd", "haproxy, splice", 0.65)])
    with bench.processes.sink() as sink:
        def sample(mode, subject):
            result = window(bench, mode, BULK_CONNECTIONS, subject,
                            Setup(opaque="pdus" not in mode), sink)
            gigabytes = max(result["octets"], 1) / 1e9
            return {"cpu": result["cpu_ns"]["balancer"] / 1e6 / gigabytes,
                    "rate": gigabytes * 8 / result["seconds"],
                    **common_figures(bench, result)}
        yield bench.interleave(table, [
            (name, s.name, (mode, s))
            for name, mode in (("PDUs to the client", "pdus-down"),
                               ("PDUs to the server", "pdus-up"),
                               ("to the client", "down"),
                               ("to the server", "up"))
            for s in bench.present(HAPROXY, HAPROXY_SPLICE, NGINX, MAPILBD)],
            sample)


def settled_memory(pid):
    """Once it no longer changes. Without pages of files: what is shared
    with other processes of the machine would come and go with them."""
    last, limit = -1, time.monotonic() + SETTLE_LIMIT_S
    while time.monotonic() < limit:
        now = proc.pss(pid, "Pss_Anon", "Pss_Shmem")
        if now == last:
            break
        last = now
        time.sleep(0.2)
    return last


def memory(bench):
    count = bench.scale.idle
    table = Table(
        "Memory of an idle connection",
        f"Growth of the balancer's memory (Pss without files) over {count:,} "
        "relayed connections that have exchanged once and are idle; user "
        "space only. Before the first reading 64 connections came and went.",
        "threads",
        [Figure("kib", "KiB per connection", "", 2, lower_is_better=True),
         Figure("before", "MiB before", "", 1, compared=False)],
        [Target("kib", "mapilbd", None, 0.5)])

    def sample(subject, threads):
        setup = Setup(threads=threads)
        processes = bench.processes
        with processes.balancer(subject, setup, subjects.PORT) as (pid, _):
            with processes.idle_connections(64):
                pass
            before = settled_memory(pid)
            with processes.idle_connections(count):
                grown = settled_memory(pid) - before
        return {"kib": grown / count / 1024, "before": before / 2**20}

    with bench.processes.sink():
        yield bench.interleave(table, [
            (str(threads), s.name, (s, threads))
            for threads, group in ((1, (HAPROXY, NGINX, MAPILBD)),
                                   (4, (HAPROXY, MAPILBD)))
            for s in bench.present(*group)], sample)


def whole_range(bench):
    table = Table(
        "The whole range",
        "One plain port beside many: new connections to random ports as in "
        "\"New connections\"; start-up until a first exchange was answered; "
        "Pss, sockets and descriptors after it.",
        "ports",
        [CPU_US.named("connection"), RATE.named("connections"),
         Figure("start", "start-up", "ms", 0, lower_is_better=True,
                compared=False),
         Figure("mib", "Pss MiB", "", 1, compared=False),
         Figure("listeners", "listening", "", 0, compared=False),
         Figure("descriptors", "descriptors", "", 0, compared=False),
         BUSY, LOAD_BUSY, OTHERS, LOST],
        [Target("cpu", "mapilbd", "mapilbd", 1.03, base_case="1"),
         Target("start", "mapilbd", None, 100, case="1024-65535"),
         Target("mib", "mapilbd", None, 10, case="1024-65535"),
         Target("listeners", "mapilbd", None, 1, case="1024-65535")],
        base_case="1")

    def sample(sink, subject, ports):
        setup = Setup(log=True, range="-" in ports)
        processes = bench.processes
        last = int(ports.split("-")[-1])
        with processes.balancer(subject, setup, last) as (pid, took):
            at_start = {"start": took * 1e3, "mib": proc.pss(pid) / 2**20,
                        "listeners": proc.listeners(pid),
                        "descriptors": proc.descriptors(pid)}
            result = processes.load("connect", CONNECT_PARALLEL, ports,
                                    bench.scale,
                                    {"balancer": pid, "sink": sink})
        return {**at_start, **per_operation(bench, result)}

    one = str(subjects.PORT)
    haproxy_range = "{}-{}".format(*subjects.HAPROXY_RANGE)
    cases = [("1", s, one) for s in (HAPROXY, MAPILBD)]
    cases += [(haproxy_range, HAPROXY, haproxy_range),
              ("1024-65535", MAPILBD, "{}-{}".format(*subjects.RANGE))]
    with bench.processes.sink(steer=True) as sink:
        yield bench.interleave(table, [
            (case, s.name, (sink, s, ports)) for case, s, ports in cases
            if bench.present(s)], sample)


def mapper(bench):
    table = Table(
        "Endpoint mapper",
        "What Outlook does on 135: open, bind, ept_map, close, "
        f"{CONNECT_PARALLEL} at a time, as in \"New connections\"; and "
        f"{ASK_CONNECTIONS} connections that stay open and ask ept_map over "
        "and over. The others relay the same octets. Clients may come to "
        "announced ports, or (leased) to those that they were told of.",
        "connections",
        [CPU_US.named("call"), RATE.named("calls"), BUSY, LOAD_BUSY, OTHERS,
         LOST],
        [])
    with bench.processes.sink() as sink:
        def sample(mode, connections, subject):
            return per_operation(bench, window(
                bench, mode, connections, subject,
                Setup(log=True, mapper=True), sink))
        yield bench.interleave(table, [
            (case, s.name, (mode, connections, s))
            for case, mode, connections in (
                ("new", "mapper", CONNECT_PARALLEL),
                ("kept", "ask", ASK_CONNECTIONS))
            for s in bench.present(HAPROXY, NGINX, *MAPPERS)], sample)


INSIDE = {"frame": "request and response", "bind": "bind and bind_ack",
          "pass": "ept_map, pass", "track": "ept_map, track",
          "rewrite": "ept_map, rewrite"}


def inside(bench):
    rounds = bench.scale.inside
    table = Table(
        "Reading PDUs",
        "The balancer's own code, without the kernel's: what a client and a "
        "server say is given to the function that looks at it, "
        f"{rounds:,} times on one connection. A question and its answer "
        "together; \"rewrite\" reads both, gives the lease and writes the "
        "virtual port in.",
        "what is read",
        [Figure("ns", "CPU, ns", "", 0, compared=False)],
        [Target("ns", "mapilbd", None, 1000, case=INSIDE["rewrite"])])

    def sample(what):
        return {"ns": bench.processes.inside(what, rounds)}

    yield bench.interleave(table, [
        (name, s.name, (what,)) for what, name in INSIDE.items()
        for s in bench.present(MAPILBD)], sample)


def leases(bench):
    count = bench.scale.leases
    table = Table(
        "Memory of a lease",
        f"Growth of a process (Pss without files) that grants {count:,} "
        "leases, four a client, in a table for a quarter more; user space "
        "only. With admit = leased the kernel has a copy of each.",
        "leases",
        [Figure("octets", "octets per lease", "", 1, compared=False)], [])

    def sample():
        return {"octets": bench.processes.inside("lease", count)}

    yield bench.interleave(table, [
        (f"{count:,}", s.name, ()) for s in bench.present(MAPILBD)], sample)


def syscalls(bench):
    table = Table(
        "System calls",
        "Of one request, and of one new connection as in \"New connections\"; "
        "counted by the kernel's tracepoints (perf stat).",
        "operation",
        [Figure(name, name, "", 2, compared=False)
         for name in ("all", *trace.GROUPS, "other")],
        [])

    def sample(sink, mode, connections, subject, setup):
        processes = bench.processes
        with processes.balancer(subject, setup, subjects.PORT) as (pid, _):
            with trace.Trace(pid) as traced:
                result = processes.load(
                    mode, connections, str(subjects.PORT), bench.scale,
                    {"balancer": pid, "sink": sink})
        return traced.per_operation(result["total"])

    with bench.processes.sink() as sink:
        yield bench.interleave(table, [
            (case, s.name, (sink, mode, connections, s, setup))
            for case, mode, connections, setup in (
                ("request, 1 open", "exchange", 1, Setup()),
                ("request, 100 open", "exchange", 100, Setup()),
                ("connection", "connect", CONNECT_PARALLEL, Setup(log=True)))
            for s in bench.present(HAPROXY, NGINX, MAPILBD)], sample, 1)


ALL = {"exchange": exchange, "connect": connect, "bulk": bulk,
       "mapper": mapper, "inside": inside, "memory": memory,
       "leases": leases, "range": whole_range}
EXTRA = {"syscalls": syscalls}      # only when asked for
