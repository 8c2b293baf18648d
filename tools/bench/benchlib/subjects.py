"""The balancers that are compared: how each is configured and started.

A Subject is one way to run a program; a Setup says what a measurement asks
of it. Each configuration is the plainest that does the same work.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass

from . import host

VIP = "127.60.0.10"
SOURCE = "127.60.0.9"       # mapilbd's: must differ from the VIP
SERVERS = ("127.60.2.1", "127.60.2.2", "127.60.2.3")
PORT = 7001
MAPPER_PORT = 135
RANGE = (1024, 65535)
HAPROXY_RANGE = (15000, 29999)  # below the ephemeral ports
FAMILIES = ("haproxy", "nginx", "mapilbd")


@dataclass(frozen=True)
class Setup:
    """What a measurement asks of a subject."""
    threads: int = 1
    log: bool = False       # affinity by client address, and a log line
    range: bool = False     # the whole range, not one port
    opaque: bool = False    # what passes is no RPC
    mapper: bool = False    # port 135

    @property
    def port(self):
        """Of a subject that has one."""
        return MAPPER_PORT if self.mapper else PORT


@dataclass(frozen=True)
class Subject:
    name: str               # as in the tables
    family: str             # which program
    variant: str = ""       # the way in which that program is run
    epm: str = ""           # mapilbd's, for Setup.mapper
    admit: str = "announced"


HAPROXY = Subject("haproxy", "haproxy")
HAPROXY_SPLICE = Subject("haproxy, splice", "haproxy", "splice")
NGINX = Subject("nginx", "nginx")
MAPILBD = Subject("mapilbd", "mapilbd")
BEFORE = Subject("mapilbd, before", "mapilbd", "before")
MAPPERS = [Subject(f"mapilbd, {epm}", "mapilbd", epm=epm)
           for epm in ("pass", "track", "rewrite", "answer")]
MAPPERS += [Subject(f"mapilbd, {epm}, leased", "mapilbd", epm=epm,
                    admit="leased") for epm in ("rewrite", "answer")]


def haproxy_config(subject, setup):
    ports = setup.port
    if setup.range:
        ports = f"{HAPROXY_RANGE[0]}-{HAPROXY_RANGE[1]}"
    # pipes and listeners take descriptors too, of 20,000
    maxconn = 2000 if setup.range or subject.variant == "splice" else 9900
    extra = []
    if setup.log:
        extra += ["log global", "option tcplog",
                  "stick-table type ip size 1m expire 2h", "stick on src"]
    if subject.variant == "splice":
        extra += ["option splice-request", "option splice-response"]
    servers = [f"server s{i} {address}" + ("" if setup.range
                                      else f":{setup.port}")
               for i, address in enumerate(SERVERS)]
    return "\n".join([
        "global",
        f"  nbthread {setup.threads}",
        f"  maxconn {maxconn}",
        "  log stderr format raw daemon",
        "defaults",
        "  mode tcp",
        "  timeout connect 5s",
        "  timeout client 1h",
        "  timeout server 1h",
        "listen bench",
        f"  bind {VIP}:{ports}",
        "  balance roundrobin",
        *("  " + line for line in extra + servers), ""])


def nginx_config(_subject, setup):
    servers = " ".join(f"server {a}:{setup.port};" for a in SERVERS)
    log = ("log_format b '$remote_addr [$time_local] $upstream_addr "
           "$bytes_sent $bytes_received $session_time'; "
           f"access_log {host.SCRATCH}/nginx.access b;" if setup.log
           else "access_log off;")
    key = "hash $remote_addr;" if setup.log else ""
    return f"""
load_module modules/ngx_stream_module.so;
daemon off; master_process off; pid {host.SCRATCH}/nginx.pid;
error_log stderr error; worker_rlimit_nofile 20000;
events {{ worker_connections 19900; multi_accept on; }}
stream {{
  {log}
  upstream servers {{ {key} {servers} }}
  server {{ listen {VIP}:{setup.port} backlog=4096; proxy_pass servers;
            proxy_timeout 1h; tcp_nodelay on; }}
}}
"""


def mapilbd_rpc(subject, setup):
    dynamic = (f"ports = dynamic\nrange = {RANGE[0]}-{RANGE[1]}\n"
               "intercept = sk_lookup\n")
    if setup.mapper:
        rpc = dynamic + f"epm = {subject.epm}\nadmit = {subject.admit}"
    elif setup.range:
        rpc = dynamic + "epm = pass\nadmit = any"
    else:
        rpc = (f"ports = static\nmailbox-port = {PORT}\n"
               f"address-book-port = {PORT + 1}\nintercept = sockets")
    # one from before it read PDUs knows no limit
    if setup.opaque or subject == BEFORE:
        rpc += "\ninterfaces = any"
    return rpc


def mapilbd_config(subject, setup):
    rpc = mapilbd_rpc(subject, setup)
    log = f"{host.SCRATCH}/mapilbd.log"
    level = "info" if setup.log else "warning"
    servers = "\n".join(f"[server s{i}]\naddress = {address}"
                        for i, address in enumerate(SERVERS))
    return f"""[balancer]
vip = {VIP}
source = {SOURCE}
threads = {setup.threads}
control = {host.SCRATCH}/control.sock
state-file = none
log = {log}
log-level = {level}
[rpc]
{rpc}
{servers}
"""


CONFIGS = {"haproxy": haproxy_config, "nginx": nginx_config,
           "mapilbd": mapilbd_config}


class Programs:
    """Which of the families are there."""

    def __init__(self, mapilbd, before=None):
        self.before = before
        self.path = {
            "haproxy": shutil.which("haproxy", path=self.search()),
            "nginx": shutil.which("nginx", path=self.search()),
            "mapilbd": mapilbd if os.access(mapilbd, os.X_OK) else None,
        }
        self.mapilbd = mapilbd

    @staticmethod
    def search():
        return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"

    def missing(self, family):
        """None, or what to do about it."""
        if family == "mapilbd":
            return None if self.path[family] else (
                f"{self.mapilbd} is missing: make build, or --bin FILE")
        if not self.path[family]:
            return f"{family} is missing: apt-get install {family}"
        module = "/usr/lib/nginx/modules/ngx_stream_module.so"
        if family == "nginx" and not os.path.exists(module):
            return "nginx has no stream module: " \
                   "apt-get install libnginx-mod-stream"
        return None

    def choose(self, wanted):
        """The families to compare; nginx alone may be missing unasked."""
        names = wanted.split(",") if wanted else FAMILIES
        chosen = []
        for name in names:
            if name not in FAMILIES:
                raise host.Refusal(f"no subject is called {name}")
            problem = self.missing(name)
            if not problem:
                chosen.append(name)
            elif wanted or name != "nginx":
                raise host.Refusal(problem)
        return chosen

    def versions(self, chosen):
        commands = {"haproxy": ["-v"], "nginx": ["-v"]}
        out = []
        for family, options in commands.items():
            if family not in chosen:
                continue
            done = subprocess.run([self.path[family], *options], text=True,
                                  capture_output=True)
            line = (done.stdout + done.stderr).splitlines()[0]
            out.append((family, line.split(" - ")[0].split("version")[-1]
                        .lstrip(": ")))
        return out

    def command(self, subject, setup):
        """Writes the configuration; returns the command line."""
        path = f"{host.SCRATCH}/{subject.family}.conf"
        with open(path, "w") as f:
            f.write(CONFIGS[subject.family](subject, setup))
        program = (self.before if subject == BEFORE
                   else self.path[subject.family])
        return {"haproxy": [program, "-db", "-f", path],
                "nginx": [program, "-c", path],
                "mapilbd": [program, "-c", path]}[subject.family]
