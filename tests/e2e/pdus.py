"""DCE/RPC PDUs as octets, for what impacket does not say or hides.

Layer: tests/e2e.
Source: C706 chapter 12; [MS-RPCE] 2.2.2.  Little-endian throughout.
"""

import collections
import socket
import struct

REQUEST, RESPONSE, FAULT = 0, 2, 3
BIND, BIND_ACK, BIND_NAK = 11, 12, 13
ALTER_CONTEXT, ALTER_CONTEXT_RESPONSE = 14, 15
WHOLE = 3			# first and last fragment
HEADER = struct.Struct("<BBBB4sHHI")
LITTLE = b"\x10\0\0\0"
NDR = bytes.fromhex("045d888aeb1cc9119fe808002b10486002000000")
FRAGMENT = 4280
GROUP_AT = 20			# of assoc_group_id in a bind and its answers
PROVIDER_REJECTION, UNKNOWN_INTERFACE = 2, 1

Pdu = collections.namedtuple("Pdu", ("type", "body"))
Result = collections.namedtuple("Result", ("result", "reason"))


def pdu(kind, body, call=1):
    """A PDU of one fragment, without authentication."""
    return HEADER.pack(5, 0, kind, WHOLE, LITTLE, HEADER.size + len(body), 0,
                       call) + body


def bind(interfaces, group=0, kind=BIND, first=0):
    """A bind, or an alter-context, that offers NDR for each interface; their
    contexts are numbered from <first> on."""
    body = struct.pack("<HHIBxxx", FRAGMENT, FRAGMENT, group,
                       len(interfaces))
    for number, interface in enumerate(interfaces, first):
        body += struct.pack("<HBx", number, 1) + interface + NDR
    return pdu(kind, body)


def request(operation, stub, context=0, call=2):
    return pdu(REQUEST, struct.pack("<IHH", len(stub), context, operation)
               + stub, call)


def read(sock):
    """The next PDU; ConnectionError when there is none."""
    header = read_octets(sock, HEADER.size)
    _, _, kind, _, _, length, _, _ = HEADER.unpack(header)
    return Pdu(kind, read_octets(sock, length - HEADER.size))


def read_octets(sock, count):
    data = b""
    while len(data) < count:
        more = sock.recv(count - len(data))
        if not more:
            raise ConnectionError("the connection was closed")
        data += more
    return data


def results(answer):
    """What a bind_ack or alter_context_resp says of each context."""
    length, = struct.unpack_from("<H", answer.body, 8)
    at = (10 + length + 3) & ~3
    return [Result(*struct.unpack_from("<HH", answer.body, at + 4 + 24 * i))
            for i in range(answer.body[at])]


def group(answer):
    """The association group that an answer to a bind names."""
    return struct.unpack_from("<I", answer.body, GROUP_AT - HEADER.size)[0]


class Socket:
    """A connection on which PDUs are said and read."""

    def __init__(self, host, port, source=None, seconds=10):
        self.sock = socket.create_connection(
            (host, port), seconds, source and (source, 0))

    def ask(self, octets):
        """Say a PDU; the answer."""
        self.sock.sendall(octets)
        return read(self.sock)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()
