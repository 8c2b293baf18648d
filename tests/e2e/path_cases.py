"""Cases: how clients come, and who may: one address for many, a narrow
firewall, leases.

Layer: tests/e2e.
"""

import time

import balancers
import clients
import mapper_cases
import tools
from cases import (CLIENTS, NATTED, RETURN_SECONDS, STRANGER, case, check,
                   check_nothing_open)
from lab import wait_until

RUN_GAP = 2.1			# seconds without one end a run of connections
RUNS = 3			# one after another
ROUNDS = 10			# at once with the other client's
WINDOW = range(50100, 50164)	# in every range, no server's port
LEASE_SECONDS = 3


# One address

@case("nat", on=("mapilbd", "direct"),
      per=("intercept", "family", "epm", "admit"))
def clients_behind_one_address_are_not_split(world):
    """Two clients behind one gateway that is among shared-addresses.  Each
    asks the endpoint mapper for four interfaces, on a new connection each,
    and calls on the told ports, one client after the other, then both at
    once: all that was told in one round is on one server, a port that was
    told leads to one server for ever, and several servers are used.  Where
    ports are not virtual the address is one client."""
    if world.kind == "direct":
        check_natted(world, gap=0)
        return
    virtual = world.combination.is_virtual
    gateway = world.address(world.GATEWAY)
    with world.configured({"affinity": {"shared-addresses": gateway}}):
        used = check_natted(world, RUN_GAP if virtual else 0)
        if virtual:
            check(len(used) > 1, f"all conversations were on {used}")
        else:
            check(len(used) == 1, f"one address is on {used}")


def check_natted(world, gap):
    """Rounds of the clients behind the gateway, the first with a gap between
    them; the servers they saw."""
    used, told = set(), {}
    for turn in range(RUNS):
        if turn:
            time.sleep(gap)
        client = NATTED[turn % 2]
        ports, names = world.call(client, ask_round, world.target(client))
        check(len(names) == 1, f"{client}: one round on {sorted(names)}")
        used |= names
        told.setdefault(client, (ports, names))
    tasks = {client: world.task(client, keep_asking, world.target(client),
                                told[client][0])
             for client in NATTED}
    for client, task in tasks.items():
        rounds, kept = task.result(120)
        split = [names for names in rounds if len(names) != 1]
        check(not split, f"{client}: {len(split)} of {len(rounds)} rounds "
              f"are split: {split[:3]}")
        check(kept == told[client][1], f"{client} was told of "
              f"{told[client][1]}, its ports lead to {sorted(kept)}")
        used |= set().union(*rounds)
    return used


def ask_round(host):
    """Ask for every interface, then call on every told port: ({interface:
    port}, servers)."""
    ports = {name: clients.port_of(host, interface)
             for name, (interface, _) in clients.WHO.items()}
    return ports, {clients.who_at(host, port, name)
                   for name, port in ports.items()}


def keep_asking(host, kept):
    """Rounds of questions and calls, and calls on ports that are known."""
    rounds, seen = [], set()
    for _ in range(ROUNDS):
        rounds.append(ask_round(host)[1])
        seen |= {clients.who_at(host, port, name)
                 for name, port in kept.items()}
    return rounds, seen


@case("nat-one-client", epm=("rewrite", "answer"), on=("mapilbd",),
      per=("epm",))
def one_address_is_one_client(world):
    """Without the setting the clients behind a gateway share a server."""
    used = check_natted(world, gap=0)
    check(len(used) == 1, f"one address is on {sorted(used)}")


@case("nat-groups", epm=("rewrite", "track", "pass"), on=("mapilbd",),
      per=("intercept", "epm"))
def groups_behind_one_address_find_their_server(world):
    """Of two clients behind one gateway each uses a lookup handle on several
    connections to 135 of one association group, both at once."""
    gateway = world.address(world.GATEWAY)
    with world.configured({"affinity": {"shared-addresses": gateway}}):
        tasks = [world.task(client, mapper_cases.share_lookup,
                            world.target(client), ROUNDS)
                 for client in NATTED]
        for task in tasks:
            task.result(60)


# A narrow firewall

@case("narrow", "rpcclient", epm=("rewrite", "answer"), on=("mapilbd",),
      per=("intercept", "family", "epm", "admit"))
def few_ports_are_enough(world):
    """With 64 virtual ports a firewall that opens only these and 135 lets
    everything work, for every interface of every server."""
    first, last = WINDOW.start, WINDOW.stop - 1
    rules = ["tcp dport { 135, %d-%d } accept" % (first, last),
             "tcp flags & (syn | ack) == syn reject with tcp reset"]
    with world.filtered(balancers.NODE, *rules), \
         world.configured({"rpc": {"virtual-ports": f"{first}-{last}"}}):
        for source in world.residents().values():
            ports = set(clients.listing_ports(world.told(source)))
            check(ports - {135} <= set(WINDOW),
                  f"told outside the window: {sorted(ports)}")
        for client in CLIENTS:
            host = world.target(client)
            names = {world.call(client, clients.who, host, interface)[1]
                     for interface in clients.WHO}
            check(len(names) == 1, f"{client} is split: {names}")
            for command in tools.RPCCLIENT:
                text = tools.rpcclient(world.lab, client, host,
                                       world.smb_conf, command)
                why = tools.rpcclient_fails(text, command,
                                            world.server(*names))
                check(not why, f"{client}: {why}")


@case("too-narrow", epm=("rewrite", "answer"), on=("mapilbd",),
      per=("epm",))
def too_few_ports_are_named(world):
    """Three servers with two interfaces each do not fit into four virtual
    ports: the log names that, and nobody is told of another port."""
    first, last = WINDOW.start, WINDOW.start + 3
    since = world.balancer.log_size()
    with world.configured({"rpc": {
            "interfaces": "samr, drsuapi",
            "virtual-ports": f"{first}-{last}"}}, ready=False):
        told = set()

        def is_named():
            told.update(world.call(STRANGER, ports_of_two,
                                   world.target(STRANGER),
                                   world.stranger()))
            return "virtual-ports-exhausted" in world.balancer.log(since)
        wait_until(is_named, RETURN_SECONDS, "exhaustion is named", 0.1)
        check(told <= set(range(first, last + 1)), f"told: {sorted(told)}")


def ports_of_two(host, source):
    """The ports of what a client is told of two interfaces."""
    ports = set()
    for name in mapper_cases.TWO:
        try:
            ports.add(clients.port_of(host, clients.WHO[name][0], source))
        except (OSError, clients.DCERPCException):
            pass
    return ports


# Leases

@case("leases", admit=("leased",), on=("mapilbd",))
def a_port_is_open_to_who_was_told(world):
    """After ept_map that client finds the told port, and only that, open;
    another client finds it closed, before and after."""
    host = world.target(STRANGER)
    asker, other = world.stranger(), world.stranger()
    since = world.balancer.log_size()
    port = world.call(STRANGER, clients.port_of, host,
                      clients.WHO["samr"][0], asker)
    for _ in range(2):
        check(not world.call(STRANGER, clients.serves, host, port, other),
              f"{port} was told to {asker} and serves {other}")
        world.call(STRANGER, clients.who_at, host, port, "samr", asker)
    check_nothing_open(world, asker, but=[port])
    if world.combination.is_refused_late:
        lines = world.balancer.log_lines("refuse", since)
        check(any(other in line and "reason=no-lease" in line
                  for line in lines), f"no reason no-lease for {other} in "
              f"{len(lines)} lines")


@case("lease-ends", admit=("leased",), on=("mapilbd",),
      per=("intercept", "epm"))
def leases_end_unless_they_are_used(world):
    """A lease that is not used ends; one that is used stays, and so does
    that of a client whose connection stands idle."""
    host = world.target(STRANGER)
    samr = clients.WHO["samr"][0]
    since = world.balancer.log_size()
    with world.configured({"rpc": {"lease-timeout": f"{LEASE_SECONDS}s"}}):
        user, idler = world.stranger(), world.stranger()
        idle = world.task(STRANGER, hold, host, idler, tells=True)
        held = idle.next(20)[1]
        used = world.call(STRANGER, clients.port_of, host, samr, user)
        # ended after 3 to 4 s, and remembered as expired to the 6th at least
        for patience in (1.5, 4, 8):
            leaver = world.stranger()
            left = world.call(STRANGER, clients.port_of, host, samr, leaver)
            world.call(STRANGER, use_for, host, used, user,
                       patience * LEASE_SECONDS)
            if not world.call(STRANGER, clients.serves, host, left, leaver):
                break
        else:
            check(False, f"{patience} lease-timeouts later {leaver} may "
                  "still connect")
        for port, source in ((used, user), (held, idler)):
            world.call(STRANGER, clients.who_at, host, port, "samr", source)
        if world.combination.is_refused_late:
            check(any(leaver in line and "reason=lease-expired" in line for
                      line in world.balancer.log_lines("refuse", since)),
                  f"no reason lease-expired for {leaver}")


def hold(host, source, tell):
    """Hold a connection to a port that was told; tells the port."""
    interface, ask = clients.WHO["samr"]
    port = clients.port_of(host, interface, source)
    with clients.Connection(host, port, interface,
                            source=source) as connection:
        ask(connection.dce)
        tell(port)
        connection.transport.socket.settimeout(None)
        connection.ended()


def use_for(host, port, source, seconds):
    """New connections to a port for a while, several in a lease's life."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        clients.who_at(host, port, "samr", source)
        time.sleep(LEASE_SECONDS / 5)
