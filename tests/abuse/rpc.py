"""DCE/RPC as far as the abuse needs it: a client of the endpoint mapper, and
an endpoint mapper that misbehaves as it is told.

Source: C706 12.6 (PDUs), appendices I and O (towers, endpoint mapper).
"""
import socket
import struct
import threading
import uuid

EPM = ('e1af8308-5d1f-11c9-91a4-08002b14a0fa', 3, 0)
NDR = ('8a885d04-1ceb-11c9-9fe8-08002b104860', 2, 0)
NDR64 = ('71710533-beba-4937-8319-b5dbef9ccc36', 1, 0)
EMSMDB = ('a4f1db00-ca47-1067-b31f-00dd010662da', 0, 81)
ASYNC_EMSMDB = ('5261574a-4572-206e-b268-6b199213b4e4', 0, 1)
NSPI = ('f5cc5a18-4264-101a-8c59-08002b2f8426', 56, 0)
RFR = ('1544f5e0-613c-11d1-93df-00c04fd7bd09', 1, 0)
SAMR = ('12345778-1234-abcd-ef00-0123456789ac', 1, 0)
ALLOWED = EMSMDB, ASYNC_EMSMDB, NSPI, RFR  # what interfaces is by default
REQUEST, RESPONSE, FAULT, BIND, BIND_ACK, BIND_NAK = 0, 2, 3, 11, 12, 13
ALTER, ALTER_ACK, AUTH3 = 14, 15, 16
FIRST, LAST = 1, 2
EPT_LOOKUP, EPT_MAP = 2, 3
EPT_NOT_REGISTERED = 0x16c9a0d6
EPT_INVALID_HANDLE = 0x16c9a0d5
HANDLE = struct.pack('<I', 0) + uuid.UUID(int=7).bytes_le
NIL = bytes(20)


class Gone(Exception):
    """The other side closed the connection."""


def syntax(interface):
    return (uuid.UUID(interface[0]).bytes_le
            + struct.pack('<HH', interface[1], interface[2]))


def pdu(kind, body, call=1, flags=FIRST | LAST):
    return struct.pack('<BBBB4sHHI', 5, 0, kind, flags, b'\x10\0\0\0',
                       16 + len(body), 0, call) + body


def bind(interface=EPM):
    return pdu(BIND, struct.pack('<HHIBxxxHBx', 5840, 5840, 0, 1, 0, 1)
               + syntax(interface) + syntax(NDR))


def bind_of(interfaces, transfer=(NDR,), group=0, kind=BIND, call=1,
            padding=b''):
    """A bind or an alter_context with a context for each interface."""
    body = struct.pack('<HHIBxxx', 5840, 5840, group, len(interfaces))
    for number, interface in enumerate(interfaces):
        body += struct.pack('<HBx', number, len(transfer)) + syntax(interface)
        body += b''.join(map(syntax, transfer))
    return pdu(kind, body + padding, call)


def big_endian_bind(interface=EPM):
    def syntax_of(what):
        return (uuid.UUID(what[0]).bytes
                + struct.pack('>HH', what[2], what[1]))

    body = struct.pack('>HHIBxxxHBx', 5840, 5840, 0, 1, 0, 1)
    body += syntax_of(interface) + syntax_of(NDR)
    return struct.pack('>BBBB4sHHI', 5, 0, BIND, FIRST | LAST, bytes(4),
                       16 + len(body), 0, 1) + body


def with_auth(whole, value, length=None, level=2, padding=0):
    """The same PDU with a security trailer, which says <length> of its value
    and <padding> of what stands before it."""
    whole += bytes(-len(whole) % 4)
    whole += struct.pack('<BBBxI', 10, level, padding, 1) + value
    said = len(value) if length is None else length
    return (whole[:8] + struct.pack('<HH', len(whole), said) + whole[12:])


def ntlm_authenticate(user='mallory'):
    name = user.encode('utf-16-le')
    fields = [b'', b'', 'ABUSE'.encode('utf-16-le'), name, b'', b'']
    head, at, values = b'NTLMSSP\0\3\0\0\0', 64, b''
    for value in fields:
        head += struct.pack('<HHI', len(value), len(value), at)
        at += len(value)
        values += value
    return head + struct.pack('<I', 1) + values


def auth3(user='mallory'):
    return with_auth(pdu(AUTH3, bytes(4)), ntlm_authenticate(user))


def bind_ack(call, group=1, results=1, said=None):
    return pdu(BIND_ACK, struct.pack('<HHIH4sxxBxxx', 5840, 5840, group, 4,
                                     b'135\0', results if said is None
                                     else said)
               + (struct.pack('<HH', 0, 0) + syntax(NDR)) * results, call)


def fault(status, call, flags=FIRST | LAST):
    return pdu(FAULT, struct.pack('<IHxxII', 0, 0, status, 0), call, flags)


def request(opnum, stub, call=1):
    return pdu(REQUEST, struct.pack('<IHH', len(stub), 0, opnum) + stub, call)


def response(stub, call, flags=FIRST | LAST):
    return pdu(RESPONSE, struct.pack('<IHBx', len(stub), 0, 0) + stub, call,
               flags)


def floor(left, right):
    return (struct.pack('<H', len(left)) + left
            + struct.pack('<H', len(right)) + right)


def tower(interface, port, address='0.0.0.0'):
    def by_uuid(what):
        whole = syntax(what)
        return floor(b'\x0d' + whole[:18], whole[18:])

    return (struct.pack('<H', 5) + by_uuid(interface) + by_uuid(NDR)
            + floor(b'\x0b', b'\0\0') + floor(b'\x07', struct.pack('>H', port))
            + floor(b'\x09', socket.inet_aton(address)))


def pad(octets):
    return octets + bytes(-len(octets) % 4)


def twr(octets):
    return pad(struct.pack('<II', len(octets), len(octets)) + octets)


def map_request(interface):
    return (struct.pack('<II', 0, 1) + twr(tower(interface, 0)) + NIL
            + struct.pack('<I', 4))


def lookup_request(most, handle=NIL):
    return struct.pack('<IIII', 0, 0, 0, 1) + handle + struct.pack('<I', most)


def map_reply(towers):
    status = 0 if towers else EPT_NOT_REGISTERED
    most = max(4, len(towers))
    stub = NIL + struct.pack('<IIII', len(towers), most, 0, len(towers))
    stub += b''.join(struct.pack('<I', i + 1) for i in range(len(towers)))
    return stub + b''.join(map(twr, towers)) + struct.pack('<I', status)


def lookup_reply(towers, handle):
    n = len(towers)
    stub = handle + struct.pack('<IIII', n, 100, 0, n)
    for i in range(n):
        stub += bytes(16) + struct.pack('<III', i + 1, 0, 1) + bytes(4)
    return stub + b''.join(map(twr, towers)) + struct.pack('<I', 0)


def mapped_port(stub):
    """The port that an ept_map reply names."""
    count, = struct.unpack_from('<I', stub, 20)
    if not count:
        raise LookupError('not registered')
    at = 20 + 16 + 4 * count + 8
    floors, = struct.unpack_from('<H', stub, at)
    at += 2
    for _ in range(floors):
        left, = struct.unpack_from('<H', stub, at)
        right, = struct.unpack_from('<H', stub, at + 2 + left)
        if stub[at + 2] == 7:
            return struct.unpack_from('>H', stub, at + 4 + left)[0]
        at += 4 + left + right
    raise LookupError('no port in the tower')


def receive(sock, length):
    octets = b''
    while len(octets) < length:
        more = sock.recv(length - len(octets))
        if not more:
            raise Gone('closed')
        octets += more
    return octets


def read_pdu(sock):
    """(type, call, body)"""
    head = receive(sock, 16)
    length, _, call = struct.unpack_from('<HHI', head, 8)
    return head[2], call, receive(sock, length - 16)


def flips(whole):
    """<whole> with each octet in turn changed in one bit, and in all."""
    for at, octet in enumerate(whole):
        for mask in 0x01, 0xff:
            yield whole[:at] + bytes([octet ^ mask]) + whole[at + 1:]


class Caller:
    """A connection to an endpoint mapper, bound."""

    def __init__(self, to, source, timeout=5):
        self.sock = socket.create_connection((to, 135), timeout, (source, 0))
        self.sock.sendall(bind())
        if read_pdu(self.sock)[0] != BIND_ACK:
            raise Gone('no bind_ack')

    def port_of(self, interface):
        self.sock.sendall(request(EPT_MAP, map_request(interface)))
        kind, _, body = read_pdu(self.sock)
        if kind != RESPONSE:
            raise Gone(f'PDU of type {kind}')
        return mapped_port(body[8:])

    def close(self):
        self.sock.close()


def port_of(to, source, interface=EMSMDB, timeout=5):
    caller = Caller(to, source, timeout)
    try:
        return caller.port_of(interface)
    finally:
        caller.close()


class Server:
    """Accepts on one address and port; each connection has a thread that
    runs <serve>(socket)."""

    def __init__(self, address, port, serve):
        self.serve = serve
        self.open = []
        self.accepted = 0
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind((address, port))
        self.sock.listen(128)
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.sock.accept()
            except OSError:
                return
            self.accepted += 1
            self.open.append(sock)
            threading.Thread(target=self.run, args=(sock,),
                             daemon=True).start()

    def run(self, sock):
        try:
            self.serve(sock)
        except (OSError, Gone, struct.error):
            pass

    def close(self):
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        for sock in self.open:
            sock.close()


class Mapper(Server):
    """An endpoint mapper that lists <towers>, a hundred an answer.
    <answer>(socket, opnum, call) may answer in its place: True if it did."""

    def __init__(self, address, towers, answer=None):
        self.towers = list(towers)
        self.answer = answer
        super().__init__(address, 135, self.talk)

    def talk(self, sock):
        listed = 0
        while True:
            kind, call, body = read_pdu(sock)
            opnum = -1 if kind == BIND else struct.unpack_from('<H', body,
                                                               6)[0]
            if self.answer and self.answer(sock, opnum, call):
                continue
            if kind == BIND:
                sock.sendall(bind_ack(call))
            elif opnum == EPT_LOOKUP:
                if body[-24:-4] == NIL:
                    listed = 0
                some = self.towers[listed:listed + 100]
                listed += len(some)
                more = listed < len(self.towers)
                sock.sendall(response(
                    lookup_reply(some, HANDLE if more else NIL), call))
            else:
                sock.sendall(response(map_reply([]), call))
