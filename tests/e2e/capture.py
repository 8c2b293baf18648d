"""Captures on a node's interface, and what tshark makes of them.

Layer: tests/e2e.  Needs tshark, wireshark-common (dumpcap).
"""

import collections
import os
import signal
import socket
import struct
import subprocess

import lab

PDUS = {"bind": 11, "bind_ack": 12, "auth3": 16, "request": 0, "response": 2}
# Any number may be a virtual port, or a client's own; no known port may say
# that a packet is something else.
DECODE = ["-o", "tcp.try_heuristic_first:TRUE", "-d",
          "tcp.port==1024-65535,dcerpc"]
BETWEEN = "\x1f"		# messages have commas in them
CLOSED = 9			# discard: no node has it
WARNING = 6291456		# tshark's number for an expert's warning
FIELDS = {"number": "frame.number", "from4": "ip.src", "to4": "ip.dst",
          "from6": "ipv6.src", "to6": "ipv6.dst", "length": "tcp.len",
          "types": "dcerpc.pkt_type", "operations": "dcerpc.opnum",
          "later": "tcp.reassembled_in", "malformed": "_ws.malformed",
          "again": "tcp.analysis.retransmission",
          "severities": "_ws.expert.severity",
          "messages": "_ws.expert.message"}
Packet = collections.namedtuple("Packet", FIELDS)


class Capture:
    """Everything TCP on a node's interface, from start() to stop(); the
    node has a <neighbour>, an address in its network."""

    def __init__(self, laboratory, node, path, neighbour):
        self.lab = laboratory
        self.node = node
        self.neighbour = neighbour
        self.path = path

    def start(self):
        self.process = self.lab.start(
            self.node, ["dumpcap", "-q", "-i", "eth0", "-f", "tcp", "-B",
                        "32", "-w", self.path], self.path + ".log")
        lab.wait_until(self._is_capturing, 10, "dumpcap")

    def _is_capturing(self):
        return os.path.exists(self.path) and os.path.getsize(self.path) > 0

    def stop(self):
        """Stop when everything that has passed is written: a connect to a
        closed port that passes behind it has been."""
        ports = self.lab.call(self.node, knock, self.neighbour)
        lab.wait_until(lambda: ports in self._octets(), 10,
                       "dumpcap writes what has passed")
        self.process.send_signal(signal.SIGINT)
        self.process.wait(10)

    def _octets(self):
        with open(self.path, "rb") as file:
            return file.read()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()


def knock(host):
    """Connect to a port that is closed; both ports as TCP has them."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.bind(("", 0))
        sock.connect_ex((host, CLOSED))
        return struct.pack(">HH", sock.getsockname()[1], CLOSED)


def decode(path):
    """Every packet of a capture as tshark sees it.  A field that occurs
    several times in a packet has its values separated by BETWEEN."""
    argv = ["tshark", "-n", *DECODE, "-r", path, "-T", "fields", "-E",
            "aggregator=" + BETWEEN]
    for field in FIELDS.values():
        argv += ["-e", field]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=60, errors="replace")
    if done.returncode != 0:
        raise lab.LabError(f"tshark: {done.stderr.strip()}")
    return [Packet(*line.split("\t")) for line in done.stdout.splitlines()]


def pdu_counts(packets, address):
    """How many PDUs of each type passed to and from an address."""
    types = []
    for packet in packets:
        if address in (packet.from4, packet.to4, packet.from6, packet.to6):
            types += packet.types.split(BETWEEN)
    return {name: types.count(str(number)) for name, number in PDUS.items()}


def complaints(packets):
    """What tshark holds against packets: the set of (PDU types, operations,
    message), of warnings on DCE/RPC and of whatever is malformed."""
    found = set()
    for packet in packets:
        messages = zip(packet.severities.split(BETWEEN),
                       packet.messages.split(BETWEEN))
        # several PDUs of a kind in a packet are no other matter than one
        what = "+".join(sorted(set(packet.types.split(BETWEEN))))
        which = "+".join(sorted(set(packet.operations.split(BETWEEN))))
        found |= {(what, which, message)
                  for severity, message in messages
                  if packet.malformed or
                  (packet.types and int(severity or 0) >= WARNING)}
    return found


def undecoded(packets):
    """The numbers of packets with octets that are no DCE/RPC."""
    return [packet.number for packet in packets
            if packet.length != "0" and not
            (packet.types or packet.later or packet.again)]
