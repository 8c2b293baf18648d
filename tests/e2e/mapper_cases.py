"""Cases: what the endpoint mapper says through the balancer, and where what
it said leads.

Layer: tests/e2e.
"""

import clients
import pdus
import samba_clients
from cases import (CLIENTS, RETURN_SECONDS, SMALL_FRAGMENT, STRANGER, case,
                   check)
from lab import wait_until

# Two of a server's interfaces, on two of its ports.
TWO = ("samr", "drsuapi")
UNKNOWN = bytes.fromhex("e2e0e2e0e2e0e2e0e2e0e2e0e2e0e2e0") + b"\1\0\0\0"
SYSTEM_ACTIVATOR = bytes.fromhex(
    "a001000000000000c00000000000004600000000")
NO_GROUP = 0x00e2e001		# Samba's have 16 bits
INSERT, DELETE = 0, 1		# ept_insert, ept_delete
# Against Samba impacket fails with connect, and does not sign with packet.
LEVELS = {"packet": 4, "integrity": 5, "privacy": 6}
SIGNED = ("integrity", "privacy")


# Ports

@case("told-ports", on=("mapilbd",))
def told_ports_lead_to_the_told_server(world):
    """Servers that use one port for different interfaces, and different
    ports for one interface: the port that a client is told leads it to its
    own server.  Virtual ports name their server: each is told for one
    interface of one server."""
    host = world.target(STRANGER)
    residents = world.residents()
    told = {}
    for name, source in residents.items():
        for interface in clients.WHO:
            port, seen = world.call(STRANGER, clients.who, host, interface,
                                    source)
            check(seen == name, f"{source} is on {name}, and port {port} "
                  f"for {interface} leads to {seen}")
            told[name, interface] = port
    if world.combination.is_virtual:
        check(len(set(told.values())) == len(told),
              f"a virtual port is told twice: {told}")


@case("others-ports", epm=("rewrite", "answer"), admit=("announced",),
      on=("mapilbd",))
def ports_of_other_servers_do_not_split(world):
    """A bound client that dials a virtual port of another server reaches its
    own server's port for that interface; a client without a server gets the
    port's."""
    host = world.target(STRANGER)
    residents = world.residents()
    told = {(name, interface):
            world.call(STRANGER, clients.port_of, host,
                       clients.WHO[interface][0], source)
            for name, source in residents.items() for interface in TWO}
    for (name, interface), port in told.items():
        for mine, source in residents.items():
            seen = world.call(STRANGER, clients.who_at, host, port,
                              interface, source)
            check(seen == mine, f"a client of {mine} dials {name}'s port "
                  f"{port} for {interface} and reaches {seen}")
        seen = world.call(STRANGER, clients.who_at, host, port, interface,
                          world.stranger())
        check(seen == name, f"a new client dials {name}'s port {port} for "
              f"{interface} and reaches {seen}")


# Answers

@case("fragments", on=("mapilbd", "direct"))
def small_fragments_are_understood(world):
    """A listing in one answer of many small fragments, where towers lie on
    the borders, says what one in pages says."""
    for client in CLIENTS:
        host = world.target(client)
        whole, pieces = (
            world.call(client, clients.listing, host, None, page, fragment)
            for page, fragment in ((world.page, None),
                                   (500, SMALL_FRAGMENT)))
        check(whole == pieces, f"{client}: {len(pieces)} entries in small "
              f"fragments, {len(set(whole) ^ set(pieces))} differ")


@case("not-registered", on=("mapilbd", "direct"))
def unknown_interfaces_are_not_registered(world):
    """ept_map for an interface that nobody has: a normal answer that says
    so, and the connection serves on."""
    for client in CLIENTS:
        status, port = world.call(client, map_unknown, world.target(client))
        check(status == clients.NOT_REGISTERED, f"status {status:#x}")
        check(port, "the connection does not serve on")


def map_unknown(host):
    with clients.mapper(host) as connection:
        return (clients.map_status(connection, UNKNOWN),
                clients.ept_map(connection, clients.WHO["samr"][0]))


@case("no-insert", on=("mapilbd", "direct"))
def insert_and_delete_are_refused(world):
    """Nobody registers or removes endpoints from afar: a fault."""
    for client in CLIENTS:
        for operation in (INSERT, DELETE):
            answer = world.call(client, change, world.target(client),
                                operation)
            check(answer.type == pdus.FAULT,
                  f"operation {operation} was answered with {answer}")


def change(host, operation):
    """ept_insert or ept_delete of no entry."""
    with pdus.Socket(host, 135) as sock:
        ack = sock.ask(pdus.bind([clients.EPM]))
        assert pdus.results(ack)[0].result == 0, ack
        return sock.ask(pdus.request(operation, bytes(12)))


# Authenticated conversations

@case("signed", on=("mapilbd", "direct"))
def authenticated_conversations_work(world):
    """The endpoint mapper asked with NTLM at several levels by
    impacket: the call on the told port reaches the client's server.  What is
    signed was not touched: the port is the server's own."""
    for client in CLIENTS:
        host = world.target(client)
        name = world.call(client, clients.who, host, "samr")[1]
        own = {interface: clients.port_of_listing(
            world.listing(world.server(name)), interface)
            for interface in clients.WHO}
        for level, number in LEVELS.items():
            for interface in TWO:
                port, seen = world.call(client, ask_signed, host, interface,
                                        number)
                check(seen == name, f"{level}: {client} is on {name}, port "
                      f"{port} for {interface} leads to {seen}")
                check(port == own[interface] or level not in SIGNED,
                      f"{level}: {name} has {interface} on "
                      f"{own[interface]}, {client} was told {port}")


def ask_signed(host, name, level):
    with clients.mapper(host, level=level) as connection:
        port = clients.ept_map(connection, clients.WHO[name][0])
    return port, clients.who_at(host, port, name)


@case("signed-samba", on=("mapilbd", "direct"),
      per=("intercept", "family", "epm", "admit", "layout"))
def samba_verifies_what_is_signed(world):
    """Samba's client looks at signatures: lookup and map on 135, then a call
    on the told port."""
    for client in CLIENTS:
        host = world.target(client)
        name = world.call(client, clients.who, host, "samr")[1]
        for option in samba_clients.OPTIONS:
            sid = world.call(client, samba_clients.domain_sid, host, option,
                             world.smb_conf)
            check(clients.name_of_sid(sid) == name, f"{option}: {client} is "
                  f"on {name}, and reached the server with {sid}")


# Association groups

@case("groups", epm=("rewrite", "track", "pass"), on=("mapilbd", "direct"))
def groups_work_on_135(world):
    """A lookup handle of one connection to the endpoint mapper is good on
    another of its association group, also when the first is closed."""
    for client in CLIENTS:
        world.call(client, share_lookup, world.target(client))


def share_lookup(host, rounds=1):
    for _ in range(rounds):
        first = clients.mapper(host)
        _, handle, _ = clients.lookup(first, None, 1)
        with clients.mapper(host, group=first.group) as second:
            if second.group != first.group:
                raise RuntimeError(f"asked for group {first.group:#x}, got "
                                   f"{second.group:#x}")
            _, handle, status = clients.lookup(second, handle, 1)
            first.close()
            entries, _, more = clients.lookup(second, handle, 1)
            if status or more or not entries:
                raise RuntimeError(f"the handle was no good: {status:#x}, "
                                   f"{more:#x}")


@case("group-unknown", on=("mapilbd", "direct"))
def unknown_groups_are_refused(world):
    """A bind that names a group that nobody gave out gets a bind_nak, on
    135 and on a port of the range."""
    for client in CLIENTS:
        host = world.target(client)
        for port, interface in world.call(client, places, host):
            answer = world.call(client, bind_to_group, host, port, interface,
                                NO_GROUP)
            check(answer.type == pdus.BIND_NAK,
                  f"port {port} answered {answer}")


def places(host, source=None):
    samr = clients.WHO["samr"][0]
    return [(135, clients.EPM), (clients.port_of(host, samr, source), samr)]


def bind_to_group(host, port, interface, group, source=None):
    with pdus.Socket(host, port, source) as sock:
        return sock.ask(pdus.bind([interface], group))


@case("group-dead", on=("mapilbd",), per=("intercept", "epm", "admit"))
def groups_of_a_dead_server_are_refused(world):
    """The server that gave out a group is killed: a bind that names it gets
    a bind_nak, and one that names none gets the client's new server."""
    host = world.target(STRANGER)
    source = world.stranger()
    task = world.task(STRANGER, hold_group, host, source, tells=True)
    name, group = task.next(20)[1]
    victim = world.server(name)
    victim.kill()
    check(task.result(20), "the connection stayed")
    now = world.call(STRANGER, clients.who_served, host, "samr", source,
                     RETURN_SECONDS, seconds=RETURN_SECONDS + 10)[1]
    check(now != name, f"{name} answers and is dead")
    for port, interface in world.call(STRANGER, places, host, source):
        answer = world.call(STRANGER, bind_to_group, host, port, interface,
                            group, source)
        check(answer.type == pdus.BIND_NAK, f"port {port} answered {answer}")
        answer = world.call(STRANGER, bind_to_group, host, port, interface,
                            0, source)
        check(answer.type == pdus.BIND_ACK, f"port {port} answered {answer}")


def hold_group(host, source, tell):
    """Hold a connection until it ends; whether it did."""
    interface, ask = clients.WHO["samr"]
    port = clients.port_of(host, interface, source)
    with clients.Connection(host, port, interface,
                            source=source) as connection:
        tell((ask(connection.dce), connection.group))
        return connection.ended()


# Interfaces

@case("interfaces", epm=("rewrite", "track", "answer"), on=("mapilbd",),
      per=("intercept", "epm", "admit"))
def other_interfaces_are_hidden_and_refused(world):
    """With interfaces = samr a listing has nothing else, ept_map knows
    nothing else, and a bind to anything else is answered as a server does
    that has no such interface."""
    samr, other = clients.WHO["samr"][0], clients.WHO["drsuapi"][0]
    with world.configured({"rpc": {"interfaces": "samr"}}):
        for client in CLIENTS:
            host = world.target(client)
            port, name = world.call(client, clients.who, host, "samr")
            seen = {clients.tower_interface(tower) for _, _, tower in
                    world.call(client, clients.listing, host, None,
                               world.page)}
            check(seen == {samr[:16]}, f"a listing shows {seen}")
            status = world.call(client, map_hidden, host, other)
            check(status == clients.NOT_REGISTERED,
                  f"ept_map for another interface says {status:#x}")
            server = world.server(name)
            direct = world.call(
                client, binds, server.address(world.family),
                clients.port_of_listing(world.listing(server), "samr"),
                samr, UNKNOWN)
            through = world.call(client, binds, host, port, samr, other)
            check(through == direct,
                  f"another interface is refused with {through}, by a "
                  f"server that has it not with {direct}")
            check(refusal_on_135(world, client) == [REFUSED],
                  "activation is not refused on 135")


REFUSED = pdus.Result(pdus.PROVIDER_REJECTION, pdus.UNKNOWN_INTERFACE)


def map_hidden(host, interface):
    with clients.mapper(host) as connection:
        return clients.map_status(connection, interface)


def binds(host, port, good, bad):
    """What becomes of an interface that is refused: alone, beside a good
    one, and in an alter-context; and of the good one behind it."""
    answers = []
    with pdus.Socket(host, port) as sock:
        answers.append(sock.ask(pdus.bind([bad])))
    with pdus.Socket(host, port) as sock:
        answers.append(sock.ask(pdus.bind([good, bad])))
        for interface, first in ((bad, 2), (good, 3)):
            answers.append(sock.ask(pdus.bind(
                [interface], pdus.group(answers[1]), pdus.ALTER_CONTEXT,
                first)))
    return [(answer.type, pdus.results(answer)) for answer in answers]


def refusal_on_135(world, client):
    """What the balancer says to one who would activate objects."""
    answer = world.call(client, bind_to_group, world.target(client), 135,
                        SYSTEM_ACTIVATOR, 0)
    return pdus.results(answer)


# Answers of the balancer's own

@case("mapper-blocked", epm=("answer",), on=("mapilbd",))
def answers_need_no_endpoint_mapper(world):
    """A server's 135 is blocked, its other ports are open: its client gets
    answers, before and after the balancer knows."""
    host = world.target(STRANGER)
    name, source = next(iter(world.residents().items()))
    since = world.balancer.log_size()

    def is_known():
        world.call(STRANGER, clients.who_served, host, "samr", source,
                   RETURN_SECONDS, seconds=RETURN_SECONDS + 10)
        world.call(STRANGER, clients.port_of, host, clients.WHO["samr"][0],
                   source, seconds=2)
        return any(f"server={name}".lower() in line.lower() for line in
                   world.balancer.log_lines("endpoint-mapper-failed", since))

    with world.filtered(world.server(name).node, "tcp dport 135 drop"):
        wait_until(is_known, RETURN_SECONDS,
                   f"the endpoint mapper of {name} fails")
        check(is_known(), "it was forgotten")


@case("mapper-dead", epm=("answer",), on=("mapilbd",))
def dead_servers_are_in_no_answer(world):
    """When it is known that a server has died nobody is told of it, old
    client or new."""
    host = world.target(STRANGER)
    name, source = next(iter(world.residents().items()))
    world.server(name).kill()
    now = world.call(STRANGER, clients.who_served, host, "samr", source,
                     RETURN_SECONDS, seconds=RETURN_SECONDS + 10)[1]
    check(now != name, f"{name} answers and is dead")
    for each in [source] + [world.stranger() for _ in range(9)]:
        port, seen = world.call(STRANGER, clients.who, host, "samr", each)
        check(seen != name, f"{each} was told {port}, on the dead {name}")
