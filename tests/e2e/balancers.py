"""What stands between the clients and the servers: mapilbd, or nothing, or a
stand-in that shows what the suite sees when it is not mapilbd.

Layer: tests/e2e.
"""

import os
import shutil
import signal
import subprocess

import lab

NODE = "lb"
SOURCE, VIP = 9, 10		# the numbers of the addresses
STOP_SECONDS = 5		# stop-timeout
READY_SECONDS = 15
RANGE = range(49152, 49664)	# where Samba's ports are in every layout
WHOLE_RANGE = range(1024, 65536)
SMALL_RANGE = range(49152, 50176)
NOBODY = 65534

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

    def is_up(self):
        return True

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
        """Write the configuration; does not launch."""
        self.family = combination.family
        self.folder = folder
        self.log_file = os.path.join(folder, self.kind + ".log")
        # where every user may read it, for a reload
        self.conf = os.path.join(self.lab.folder, self.kind + ".conf")
        self.combination = combination
        self.configure()

    def configure(self, changes={}):
        """Write the configuration, with changes: {section: {key: value}}."""
        text = self.configuration(self.combination, changes)
        for path in (self.conf, os.path.join(self.folder,
                                             self.kind + ".conf")):
            with open(path, "w") as file:
                file.write(text)

    def launch(self):
        self.process = self.lab.start(NODE, self.argv(), self.log_file)

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

    def log_lines(self, event, since=0):
        """The lines of an event in the log, from an offset on."""
        return [line for line in self.log(since).splitlines()
                if f" event={event} " in line + " "]

    def log(self, since):
        """What the log has from an offset on."""
        with open(self.log_file, errors="replace") as file:
            file.seek(since)
            return file.read()

    def log_size(self):
        try:
            return os.path.getsize(self.log_file)
        except FileNotFoundError:	# not started yet
            return 0

    def log_tail(self, lines=15):
        try:
            with open(self.log_file, errors="replace") as file:
                return "".join(file.readlines()[-lines:])
        except OSError:
            return ""


class Mapilbd(Process):
    """The balancer under test."""

    kind = "mapilbd"
    binary = None		# set by run

    def argv(self):
        return [self.binary, "-c", self.conf]

    def start(self, combination, folder):
        self.state = os.path.join(self.lab.folder, "state")
        shutil.rmtree(self.state, ignore_errors=True)
        os.mkdir(self.state)
        os.chown(self.state, NOBODY, NOBODY)
        super().start(combination, folder)

    @property
    def state_file(self):
        return os.path.join(self.state, "mapilbd.state")

    def configuration(self, combination, changes):
        sections = self.sections(combination)
        for section, keys in changes.items():
            sections[section].update(keys)
        return "".join(f"[{section}]\n" + "".join(
            f"{key} = {value}\n" for key, value in keys.items() if value)
            for section, keys in sections.items())

    def sections(self, combination):
        """The configuration of a combination: sections of keys; what is
        None is left out."""
        user = combination.user
        sections = {
            "balancer": {
                "name": "e2e.test",
                "vip": f"{lab.v4(VIP)}, {lab.v6(VIP)}",
                "source": f"{lab.v4(SOURCE)}, {lab.v6(SOURCE)}",
                "connect-timeout": "1s",
                "stop-timeout": f"{STOP_SECONDS}s",
                "control": f"{self.lab.folder}/control.sock",
                # without one, leased acts as announced for a while
                "state-file": self.state_file
                if combination.admit == "leased" else "none",
                "log": "stderr",
                "user": user if user != "root" else None,
            },
            "affinity": {"key": "address"},
            "rpc": {
                "ports": "dynamic",
                "range": f"{self.range.start}-{self.range.stop - 1}",
                "intercept": combination.intercept,
                "epm": combination.epm,
                "admit": combination.admit,
                "interfaces": "any",
            },
            "schedule": {"method": "round-robin"},
            "check": {"interval": "1s"},
        }
        for server in self.servers:
            sections[f"server {server.name}"] = {
                "address": server.address(combination.family)}
        return sections

    @property
    def range(self):
        """The servers' ports; a listener for each of them is more than a
        machine may want to give."""
        few = self.combination.intercept == "sockets" and \
            self.combination.admit == "any"
        return SMALL_RANGE if few else WHOLE_RANGE


class Haproxy(Process):
    """The stand-in: HAProxy with one stick table over 135 and Samba's ports.
    It accepts on the whole range, so the scan fails with it, as it should."""

    kind = "haproxy"

    def argv(self):
        return ["haproxy", "-db", "-f", self.conf]

    def configuration(self, combination, changes):
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
