"""RPC clients of impacket: listings, maps, authenticated calls.

Layer: tests/e2e.  Needs python3-impacket.
Source: C706 appendices I, N and O; [MS-RPCE] 2.2; [MS-SAMR], [MS-DRSR],
[MS-NRPC], [MS-WKST] for the calls that make a server say who it is.

All functions here run inside a client's namespace.  A connection is always
new unless a function takes one.
"""

import socket
import struct
import time

from impacket.dcerpc.v5 import (drsuapi, epm, nrpc, rpcrt, samr, transport,
                                wkst)
from impacket.dcerpc.v5.dtypes import NULL
from impacket.dcerpc.v5.rpcrt import RPC_C_AUTHN_LEVEL_PKT_PRIVACY
from impacket.uuid import uuidtup_to_bin

import pdus
import servers

DCERPCException = rpcrt.DCERPCException   # what the cases catch

SECONDS = 10			# no call may take longer
BIND = 11			# ptype
SIZES_AT = 16			# of max_xmit_frag, max_recv_frag in bind
GROUP_AT = 20			# of assoc_group_id in bind and bind_ack
NOT_REGISTERED = 0x16c9a0d6	# ends a listing, answers a map in vain
TCP_FLOOR = 7
PAGE = 10			# entries a call: makes a listing take several
PAGES_MAX = 200
EPM = epm.MSRPC_UUID_PORTMAP
NDR = uuidtup_to_bin(("8a885d04-1ceb-11c9-9fe8-08002b104860", "2.0"))


class Transport(transport.TCPTransport):
    """impacket's TCP, with a source address, an association group to join,
    a size of fragments to offer, and reads that end."""

    def __init__(self, host, port, group=0, source=None, ready=None,
                 fragment=None):
        super().__init__(host, port)
        self.group = group
        self.fragment = fragment
        self.source = source
        self.socket = ready

    def connect(self):
        if self.socket is None:
            self.socket = socket.create_connection(
                (self.getRemoteHost(), self.get_dport()), SECONDS,
                self.source and (self.source, 0))
        self.socket.settimeout(SECONDS)
        # AUTH3 has no answer: the request behind it must not wait for one
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return 1

    def disconnect(self):
        self.socket.close()
        return 1

    def send(self, data, forceWriteAndx=0, forceRecv=0):
        if self.group and data[2] == BIND:
            group = struct.pack("<I", self.group)
            data = data[:GROUP_AT] + group + data[GROUP_AT + 4:]
        if self.fragment and data[2] == BIND:
            sizes = struct.pack("<HH", self.fragment, self.fragment)
            data = data[:SIZES_AT] + sizes + data[SIZES_AT + 4:]
        self.socket.sendall(data)

    def recv(self, forceRecv=0, count=0):
        data = b""
        while len(data) < (count or 1):
            more = self.socket.recv(count - len(data) if count else 8192)
            if not more:
                raise ConnectionError("the connection was closed")
            data += more
        return data

    def get_socket(self):
        return self.socket


class Connection:
    """A bound connection to one interface; with NTLM unless <level> is
    None."""

    def __init__(self, host, port, interface, group=0, source=None,
                 level=RPC_C_AUTHN_LEVEL_PKT_PRIVACY, ready=None,
                 fragment=None):
        self.transport = Transport(host, port, group, source, ready,
                                   fragment)
        if level:
            self.transport.set_credentials(servers.USER, servers.PASSWORD,
                                           servers.DOMAIN)
        self.dce = self.transport.get_dce_rpc()
        if level:
            self.dce.set_auth_level(level)
        self.dce.connect()
        try:
            ack = self.dce.bind(interface)
        except BaseException:
            self.close()
            raise
        self.group = struct.unpack_from("<I", ack.get_packet(), GROUP_AT)[0]

    def close(self):
        self.dce.disconnect()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def ended(self):
        """Wait for the other side to end the connection; whether it did."""
        try:
            while self.transport.socket.recv(8192):
                pass
            return True
        except TimeoutError:
            return False
        except OSError:
            return True


def mapper(host, source=None, ready=None, group=0, level=None,
           fragment=None):
    """A connection to an endpoint mapper, without authentication unless a
    level is named."""
    return Connection(host, 135, EPM, group, source, level, ready, fragment)


def serves(host, port, source=None):
    """Whether a port gives an answer, any answer, to a bind."""
    try:
        with socket.create_connection((host, port), SECONDS,
                                      source and (source, 0)) as sock:
            sock.sendall(pdus.bind([EPM]))
            return bool(sock.recv(1))
    except OSError:
        return False


def listing(host, source=None, page=PAGE, fragment=None):
    """Everything an endpoint mapper announces: (object, annotation, tower)
    as octets, sorted.  A null handle or a status ends the listing; impacket's
    own loop looks at neither when Samba gives both."""
    found = []
    handle = None
    with mapper(host, source, fragment=fragment) as connection:
        for _ in range(PAGES_MAX):
            entries, handle, status = lookup(connection, handle, page)
            found += [(bytes(entry["object"]),
                       b"".join(entry["annotation"]),
                       b"".join(entry["tower"]["tower_octet_string"]))
                      for entry in entries]
            if status or handle.isNull():
                return sorted(found)
    raise RuntimeError(f"a listing of more than {PAGES_MAX} pages")


def lookup(connection, handle, page):
    """One ept_lookup for everything: (entries, handle to go on with,
    status)."""
    request = epm.ept_lookup()
    request["inquiry_type"] = epm.RPC_C_EP_ALL_ELTS
    request["object"] = NULL
    request["Ifid"] = NULL
    request["vers_option"] = epm.RPC_C_VERS_ALL
    request["entry_handle"] = handle or epm.ept_lookup_handle_t()
    request["max_ents"] = page
    answer = connection.dce.request(request, checkError=False)
    return (answer["entries"][:answer["num_ents"]], answer["entry_handle"],
            answer["status"])


def tower_port(tower):
    """The TCP port of an ncacn_ip_tcp tower; None for others."""
    floors = epm.EPMTower(tower)["Floors"]
    if len(floors) < 4 or floors[3]["ProtocolData"][:1] != bytes([TCP_FLOOR]):
        return None
    return struct.unpack(">H", floors[3]["RelatedData"])[0]


def tower_address(tower):
    """The IPv4 address of an ncacn_ip_tcp tower."""
    return socket.inet_ntoa(epm.EPMTower(tower)["Floors"][4]["RelatedData"])


def blank(tower):
    """A tower without what a balancer writes over: the address of its last
    floor, if it has one, and in front of that (2 octets, then the floor's 5)
    the port of ncacn_ip_tcp."""
    if tower[-9:-4] != bytes([1, 0, 9, 4, 0]):
        return tower
    port = tower[-11:-9] if tower_port(tower) is None else bytes(2)
    return tower[:-11] + port + tower[-9:-4] + bytes(4)


def tower_interface(tower):
    """The UUID that a tower's first floor names."""
    return tower[5:5 + 16]


def tcp_interfaces(entries):
    """The interfaces, with their versions, that a listing has over TCP: the
    first floor of each tower."""
    return {tower[2:2 + 25] for _, _, tower in entries if tower_port(tower)}


def listing_ports(entries):
    """The TCP ports of a listing."""
    found = {tower_port(tower) for _, _, tower in entries}
    return sorted(found - {None})


def port_of_listing(entries, name):
    """The TCP port that a listing has for an interface."""
    interface = WHO[name][0]
    return next(tower_port(tower) for _, _, tower in entries
                if interface[:16] in tower and tower_port(tower))


def tcp_tower(interface):
    """The tower of ncacn_ip_tcp that asks for an interface."""
    major, minor = struct.unpack_from("<HH", interface, 16)
    floors = [
        (b"\x0d" + interface[:16] + struct.pack("<H", major),
         struct.pack("<H", minor)),
        (b"\x0d" + NDR[:16] + NDR[16:18], NDR[18:20]),
        (b"\x0b", b"\0\0"),
        (b"\x07", b"\0\0"),
        (b"\x09", b"\0\0\0\0"),
    ]
    tower = struct.pack("<H", len(floors))
    for left, right in floors:
        tower += struct.pack("<H", len(left)) + left
        tower += struct.pack("<H", len(right)) + right
    return tower


def ask_map(connection, interface):
    """The answer to ept_map, asked on a mapper's connection."""
    request = epm.ept_map()
    tower = tcp_tower(interface)
    request["max_towers"] = 4
    request["map_tower"]["tower_length"] = len(tower)
    request["map_tower"]["tower_octet_string"] = tower
    return connection.dce.request(request, checkError=False)


def map_status(connection, interface):
    """What ept_map says of an interface; 0 when it has an address."""
    return ask_map(connection, interface)["status"]


def ept_map(connection, interface):
    """The port of an interface; DCERPCException when nobody has it."""
    answer = ask_map(connection, interface)
    if answer["status"]:
        raise DCERPCException(error_code=answer["status"])
    towers = answer["ITowers"][:answer["num_towers"]]
    return tower_port(b"".join(towers[0]["tower_octet_string"]))


def port_of(host, interface, source=None):
    """ept_map on a connection of its own, as Windows clients do."""
    with mapper(host, source) as connection:
        return ept_map(connection, interface)


# Who is it?  A call of each interface whose answer names the server.

def who_samr(dce):
    """The SID of the domain is the server's own."""
    handle = samr.hSamrConnect(dce)["ServerHandle"]
    answer = samr.hSamrLookupDomainInSamServer(dce, handle, servers.DOMAIN)
    samr.hSamrCloseHandle(dce, handle)
    return name_of_sid(answer["DomainId"].formatCanonical())


def name_of_sid(sid):
    for index, name in enumerate(servers.NAMES):
        if servers.sid(index) == sid:
            return name
    raise RuntimeError(f"no server has the SID {sid}")


def drs_bind(dce):
    """IDL_DRSBind with no extensions to speak of; the context handle."""
    request = drsuapi.DRSBind()
    request["puuidClientDsa"] = drsuapi.NTDSAPI_CLIENT_GUID
    extensions = drsuapi.DRS_EXTENSIONS_INT()
    extensions["cb"] = len(extensions)
    extensions["dwFlags"] = drsuapi.DRS_EXT_STRONG_ENCRYPTION
    extensions["SiteObjGuid"] = drsuapi.NULLGUID
    extensions["Pid"] = 0
    extensions["dwReplEpoch"] = 0
    extensions["dwFlagsExt"] = 0
    extensions["ConfigObjGUID"] = drsuapi.NULLGUID
    extensions["dwExtCaps"] = 0
    request["pextClient"]["cb"] = len(extensions)
    request["pextClient"]["rgb"] = list(extensions.getData())
    return dce.request(request)["phDrs"]


def who_drsuapi(dce):
    handle = drs_bind(dce)
    answer = drsuapi.hDRSDomainControllerInfo(dce, handle, servers.DOMAIN, 1)
    items = answer["pmsgOut"]["V1"]["rItems"]
    drsuapi.hDRSUnbind(dce, handle)
    return items[0]["NetbiosName"][:-1]


def who_netlogon(dce):
    answer = nrpc.hDsrGetDcName(dce, NULL, servers.DOMAIN + "\0", NULL,
                                NULL, 0)
    name = answer["DomainControllerInfo"]["DomainControllerName"][:-1]
    return name.strip("\\").split(".")[0].upper()


def who_wkssvc(dce):
    answer = wkst.hNetrWkstaGetInfo(dce, 100)
    return answer["WkstaInfo"]["WkstaInfo100"]["wki100_computername"][:-1]


WHO = {
    "samr": (samr.MSRPC_UUID_SAMR, who_samr),
    "drsuapi": (drsuapi.MSRPC_UUID_DRSUAPI, who_drsuapi),
    "netlogon": (nrpc.MSRPC_UUID_NRPC, who_netlogon),
    "wkssvc": (wkst.MSRPC_UUID_WKST, who_wkssvc),
}


def who(host, name, source=None):
    """ept_map on a new connection, then bind with NTLM privacy on another
    to the port, and a call: (port, name of the server)."""
    interface, ask = WHO[name]
    port = port_of(host, interface, source)
    return port, who_at(host, port, name, source)


def who_served(host, name, source, patience):
    """As who(), tried again for some seconds."""
    end = time.monotonic() + patience
    while True:
        try:
            return who(host, name, source)
        except (OSError, DCERPCException):
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def who_at(host, port, name, source=None):
    """Bind and call on a port that is known: the name of the server."""
    interface, ask = WHO[name]
    with Connection(host, port, interface, source=source) as connection:
        return ask(connection.dce)
