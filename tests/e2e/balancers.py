"""What stands between the clients and the servers: mapilbd, or nothing, or a
stand-in that shows what the suite sees when it is not mapilbd.

Layer: tests/e2e.
"""

import os
import signal
import subprocess

import lab

NODE = "lb"
SOURCE, VIP = 9, 10		# the numbers of the addresses
STOP_SECONDS = 5		# stop-timeout
READY_SECONDS = 15
RANGE = range(49152, 49664)	# where Samba's ports are in every layout

MAPILBD_CONF = """[balancer]
name            = e2e.test
vip             = {vip4}, {vip6}
source          = {source4}, {source6}
connect-timeout = 1s
stop-timeout    = {stop}s
control         = {folder}/control.sock
state-file      = none
log             = stderr
{user}
[affinity]
key             = address

[rpc]
ports           = dynamic
range           = 1024-65535
intercept       = {intercept}
epm             = track
admit           = announced
interfaces      = any

[schedule]
method          = round-robin

[check]
interval        = 1s
"""

MAPILBD_SERVER = """
[server {name}]
address         = {address}
state           = {state}
"""

HAPROXY_CONF = """global
	maxconn 4000
	log stderr format raw local0
defaults
	mode tcp
	log global
	option redispatch 1
	retries 2
	timeout connect 1s
	timeout client 1m
	timeout server 1m
listen rpc
	bind {vip}:135
	bind {vip}:{first}-{last}
	balance roundrobin
	source {source}
	stick-table type {key} size 10k expire 1h
	stick on src
	default-server check port 135 inter 300ms fall 1 rise 1
"""


class Direct:
    """No balancer: each client has a server of its own."""

    kind = "direct"

    def __init__(self, laboratory, servers):
        self.servers = servers

    def start(self, combination, folder):
        self.family = combination.family

    def target(self, client):
        index = int(client[1:]) - 1
        return self.servers[index % len(self.servers)].address(self.family)

    def stop(self):
        pass

    def log_tail(self):
        return ""


class Process:
    """A balancer that is a process in the node lb, with the virtual address
    there."""

    def __init__(self, laboratory, servers):
        self.lab = laboratory
        self.servers = servers
        self.process = None
        laboratory.node(NODE, SOURCE)
        laboratory.more(NODE, VIP)
        # below the servers' ports: a connection that leaves from one of them
        # would keep a case from listening there
        laboratory.run(NODE, ["sh", "-c", "echo 20000 45000 >"
                              "/proc/sys/net/ipv4/ip_local_port_range"], 5)

    def target(self, client):
        return lab.address(VIP, self.family)

    def start(self, combination, folder):
        """Write the configuration and start; does not wait."""
        self.family = combination.family
        self.folder = folder
        self.log = os.path.join(folder, self.kind + ".log")
        # where a balancer that is nobody may read it again, whoever's
        # folder the source tree is in
        self.conf = os.path.join(self.lab.folder, self.kind + ".conf")
        self.combination = combination
        self.configure()
        self.launch()

    def configure(self, draining=None):
        """Write the configuration; one server's state may be drain."""
        text = self.configuration(self.combination, draining)
        for path in (self.conf, os.path.join(self.folder,
                                             self.kind + ".conf")):
            with open(path, "w") as file:
                file.write(text)

    def launch(self):
        self.process = self.lab.start(NODE, self.argv(), self.log)

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def terminate(self, seconds):
        """SIGTERM; the exit status, or None when it did not end in time."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait(seconds)

    def wait(self, seconds):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def is_up(self):
        return self.process is not None and self.process.poll() is None

    def stop(self):
        if self.is_up():
            self.process.kill()
            self.process.wait()
        self.process = None

    def log_tail(self, lines=15):
        try:
            with open(self.log, errors="replace") as file:
                return "".join(file.readlines()[-lines:])
        except OSError:
            return ""


class Mapilbd(Process):
    """The balancer under test."""

    kind = "mapilbd"
    binary = None		# set by run

    def argv(self):
        return [self.binary, "-c", self.conf]

    def configuration(self, combination, draining):
        user = f"user            = {combination.user}\n"
        text = MAPILBD_CONF.format(
            vip4=lab.v4(VIP), vip6=lab.v6(VIP), source4=lab.v4(SOURCE),
            source6=lab.v6(SOURCE), folder=self.lab.folder,
            intercept=combination.intercept, stop=STOP_SECONDS,
            user=user if combination.user != "root" else "")
        for server in self.servers:
            text += MAPILBD_SERVER.format(
                name=server.name, address=server.address(combination.family),
                state="drain" if server is draining else "enabled")
        return text


class Haproxy(Process):
    """The stand-in: HAProxy with one stick table over 135 and Samba's ports.
    It accepts on the whole range, so the scan fails with it, as it should."""

    kind = "haproxy"

    def argv(self):
        return ["haproxy", "-db", "-f", self.conf]

    def configuration(self, combination, draining):
        text = HAPROXY_CONF.format(
            vip=bracketed(VIP, self.family),
            first=RANGE.start, last=RANGE.stop - 1,
            source=bracketed(SOURCE, self.family),
            key="ip" if self.family == 4 else "ipv6")
        for server in self.servers:
            address = bracketed(server.number, self.family)
            text += f"\tserver {server.name} {address}\n"
        return text


def bracketed(number, family):
    """An address as HAProxy reads it."""
    text = lab.address(number, family)
    return text if family == 4 else f"[{text}]"
