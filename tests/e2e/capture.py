"""Captures on a node's interface, and what tshark makes of them.

Layer: tests/e2e.  Needs tshark, wireshark-common (dumpcap).
"""

import os
import signal
import subprocess

import balancers
import lab

PDUS = {"bind": 11, "bind_ack": 12, "auth3": 16, "request": 0, "response": 2}
# Clients' own ports are any number; nothing but the RPC ports may say what a
# packet is.
DECODE = ["-o", "tcp.try_heuristic_first:TRUE", "-d",
          f"tcp.port=={balancers.RANGE.start}-{balancers.RANGE.stop - 1},"
          "dcerpc"]
WARNING = 6291456		# tshark's number for an expert's warning


class Capture:
    """Everything TCP on a node's interface, from start() to stop()."""

    def __init__(self, laboratory, node, path):
        self.lab = laboratory
        self.node = node
        self.path = path

    def start(self):
        self.process = self.lab.start(
            self.node, ["dumpcap", "-q", "-i", "eth0", "-f", "tcp", "-B",
                        "32", "-w", self.path], self.path + ".log")
        lab.wait_until(self._is_capturing, 10, "dumpcap")

    def _is_capturing(self):
        return os.path.exists(self.path) and os.path.getsize(self.path) > 0

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(10)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()


def tshark(path, condition, *fields):
    """The fields of every packet that meets a condition, as tuples."""
    argv = ["tshark", "-n", *DECODE, "-r", path, "-Y", condition,
            "-T", "fields"]
    for field in fields:
        argv += ["-e", field]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=60, errors="replace")
    if done.returncode != 0:
        raise lab.LabError(f"tshark: {done.stderr.strip()}")
    return [tuple(line.split("\t")) for line in done.stdout.splitlines()]


def pdu_counts(path, address):
    """How many PDUs of each type passed to and from an address."""
    field = "ipv6" if ":" in address else "ip"
    rows = tshark(path, f"dcerpc && {field}.addr == {address}",
                  "dcerpc.pkt_type")
    types = [kind for row in rows for kind in row[0].split(",")]
    return {name: types.count(str(number)) for name, number in PDUS.items()}


def complaints(path):
    """What tshark holds against DCE/RPC packets: the set of (PDU types,
    operations, message)."""
    rows = tshark(path, "_ws.malformed || (dcerpc && "
                  f"_ws.expert.severity >= {WARNING})", "dcerpc.pkt_type",
                  "dcerpc.opnum", "_ws.expert.message")
    return {(kind, operation, message) for kind, operation, messages in rows
            for message in messages.split(",")}


def undecoded(path):
    """The numbers of packets with octets that are no DCE/RPC."""
    rows = tshark(path, "tcp.len > 0 && !dcerpc && !tcp.reassembled_in && "
                  "!tcp.analysis.retransmission", "frame.number")
    return [row[0] for row in rows]
