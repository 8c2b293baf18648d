"""The cases.  Each takes a world (servers, clients, a balancer between them)
and raises Failed with the reason, or returns.

Layer: tests/e2e.

Clients c1 to c3 are ordinary ones; c4 has many addresses, to be a client
that the balancer never saw; c5 and c6 are behind the gateway "nat".  What
the endpoint mapper says is the matter of mapper_cases.py, how clients come
and who may that of path_cases.py, what survives that of state_cases.py.
"""

import itertools
import multiprocessing
import os
import socket
import threading

import balancers
import capture
import clients
import scan
import tools
import traces
from lab import wait_until

ROUNDS = 50
ROUND_INTERFACES = ("samr", "drsuapi", "netlogon")
SMALL_FRAGMENT = 1432		# the least that must be accepted
GREETING = b"not the balancer"
PARALLEL = 8			# first connections of one client
RETURN_SECONDS = 20		# until a server that is back gets clients
AFTERWARDS = 10			# calls under load when all has happened
CLIENTS = ("c1", "c2", "c3")
STRANGER = "c4"
NATTED = ("c5", "c6")		# behind one address
CAP_NET_BIND_SERVICE, CAP_NET_ADMIN = 10, 12


class Failed(Exception):
    """The case failed; the text is the reason."""


def check(condition, reason):
    if not condition:
        raise Failed(reason)


CASES = []


def case(name, *needs, on=("mapilbd", "haproxy", "direct"), per=(), **only):
    """Register a case, the Debian packages' programs it needs, and what it
    makes sense with: <on> the kinds of balancers, <only> the values of
    factors.  In a selection of combinations one with <per> need not run in
    all, but with every value of these factors."""
    def fits(combination):
        return all(getattr(combination, factor) in values
                   for factor, values in only.items()
                   if getattr(combination, factor) is not None)

    def register(function):
        function.case, function.needs, function.on = name, needs, on
        function.per, function.fits = per, fits
        CASES.append(function)
        return function
    return register


# Listing and admission

@case("listing")
def listing_is_the_servers(world):
    """A listing through the balancer is one server's, octet for octet.
    Where ports are rewritten all but these is; where the balancer answers it
    names the interfaces that the server has over TCP."""
    for client in CLIENTS:
        host = world.target(client)
        _, name = world.call(client, clients.who, host, "samr")
        seen, direct = (
            listed(world, world.call(client, clients.listing, host, None,
                                     world.page)),
            listed(world, world.listing(world.server(name))))
        check(seen == direct, f"{client} is on {name}, whose listing has "
              f"{len(direct)} entries; through the balancer {len(seen)}, "
              f"{len(set(seen) ^ set(direct))} of them different: "
              f"{sorted(set(seen) ^ set(direct))[:2]}")


def listed(world, entries):
    """What of a listing must be the same on both sides."""
    epm = world.combination.epm
    if epm == "rewrite":
        return sorted((uuid, annotation, clients.blank(tower))
                      for uuid, annotation, tower in entries)
    if epm == "answer":
        return sorted(clients.tcp_interfaces(entries))
    return entries


@case("listing-address", family=(4,), epm=("rewrite", "answer"),
      on=("mapilbd",))
def towers_say_the_virtual_address(world):
    """No tower of a rewritten listing leads past the balancer."""
    for client in CLIENTS:
        seen = world.call(client, clients.listing, world.target(client),
                          None, world.page)
        addresses = {clients.tower_address(tower) for _, _, tower in seen
                     if clients.tower_port(tower)}
        check(addresses == {world.target(client)},
              f"{client} is told of {addresses}")


@case("scan")
def scan_finds_what_is_admitted(world):
    """What accepts is what the configuration says, and everything else
    refuses at once."""
    {"announced": scan_announced, "leased": scan_leased, "any": scan_any,
     None: scan_announced}[world.combination.admit](world)


def scan_announced(world):
    """Nothing but 135 and the announced ports accepts, and all of these do.
    A client whose conversation is signed is told the servers' own ports, so
    these may be open too where others are told."""
    client = "c3"
    real = set()
    for server in world.servers_behind(client):
        real |= set(clients.listing_ports(world.listing(server)))
    told = world.told_ports() if world.combination.is_virtual else real
    accepted = scan_ports(world, range(1, 65536), client)
    more = sorted(set(accepted) - told - real)
    less = sorted(told - set(accepted))
    check(not more, f"{len(more)} ports accept and were not announced: "
          f"{more[:10]}")
    check(not less, f"announced and closed: {less[:10]}")


def scan_ports(world, ports, client, source=None):
    """The ports that accept; none may be silent."""
    accepted, silent = world.call(client, scan.scan, world.target(client),
                                  ports, source, seconds=120)
    check(not silent, f"{len(silent)} ports are silent: {silent[:10]}")
    return accepted


def scan_leased(world):
    """A client that was told nothing finds 135 and nothing else.  Where the
    kernel cannot tell clients apart it completes the connection, which is
    reset before an octet of it was served."""
    check_nothing_open(world, world.stranger())


def check_nothing_open(world, source, but=()):
    """Nothing but 135 and the ports <but> is open to a client of c4."""
    host = world.target(STRANGER)
    accepted = set(scan_ports(world, range(1, 65536), STRANGER, source))
    expected = {135, *but}
    check(accepted >= expected, f"{sorted(expected - accepted)} refuse")
    if world.combination.is_refused_late:
        accepted = {port for port in accepted if
                    world.call(STRANGER, clients.serves, host, port, source)}
    check(accepted == expected, f"{source} finds "
          f"{sorted(accepted - expected)[:10]} open, without a lease")


def scan_any(world):
    """Every port of the range accepts, none below it but 135; a port that no
    server has serves nothing.  A sample of the range does: each connection
    is tried at a server."""
    client = "c3"
    host = world.target(client)
    inside = world.balancer.range
    sample = set(inside[::97]) | set(inside[:8]) | set(inside[-8:])
    told = world.told_ports() & set(inside)
    accepted = set(scan_ports(world, sorted({*range(1, 1024), *sample,
                                             *told}), client))
    expected = sample | told | {135}
    check(accepted == expected, f"closed: {sorted(expected - accepted)[:10]}"
          f", open: {sorted(accepted - expected)[:10]}")
    for port in sorted(sample - told)[:5]:
        check(not world.call(client, clients.serves, host, port),
              f"port {port} of no server serves")


@case("mode", "ss", "bpftool", on=("mapilbd",))
def mode_is_what_was_asked(world):
    """The way of listening and the user are those of the configuration."""
    way = world.combination.intercept
    now = traces.take(world.lab, balancers.NODE)
    new = {kind: [x for x in now[kind] if x not in world.before[kind]]
           for kind in now}
    if way == "sk_lookup":
        check(any("sk_lookup" in link for link in new["BPF links"]),
              f"no sk_lookup link: {new['BPF links']}")
    else:
        check(not new["BPF links"], f"BPF links: {new['BPF links']}")
    check(bool(new["nft tables"]) == (way == "tproxy"),
          f"{len(new['nft tables'])} new lines in the nft rules")
    check_listeners(way, new["listening sockets"], world)
    check_privileges(world)


def check_listeners(way, listening, world):
    """One listener a port only where the kernel has no other way."""
    ports = world.told_ports()
    have = {int(x.rsplit(":", 1)[1]) for x in listening}
    if way == "sockets":
        check(ports <= have, f"no listener on {sorted(ports - have)}")
    else:
        check(not (ports - {135}) & have,
              f"ordinary listeners on {sorted((ports - {135}) & have)}")


def check_privileges(world):
    """Every thread has the user's id, and two capabilities at most."""
    if world.combination.user == "root":
        return
    pid = world.balancer.process.pid
    allowed = 1 << CAP_NET_ADMIN | 1 << CAP_NET_BIND_SERVICE
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/status") as file:
            status = dict(line.split(":\t", 1) for line in file
                          if ":\t" in line)
        uids = set(status["Uid"].split())
        check(uids == {"65534"}, f"thread {thread} has the user ids {uids}")
        for kind in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
            check(int(status[kind], 16) & ~allowed == 0,
                  f"thread {thread}: {kind} is {status[kind].strip()}")


# Calls

@case("calls")
def calls_on_mapped_ports_work(world):
    """ept_map, a bind with NTLM and privacy, and calls, on each interface;
    they all are on one server."""
    for client in CLIENTS:
        host = world.target(client)
        names = {interface: world.call(client, clients.who, host, interface)
                 for interface in clients.WHO}
        check(len({name for _, name in names.values()}) == 1,
              f"{client} is split: {names}")


@case("rpcclient", "rpcclient")
def rpcclient_works(world):
    """Samba's rpcclient, with a connection to 135 for each command."""
    for client in CLIENTS:
        host = world.target(client)
        _, name = world.call(client, clients.who, host, "samr")
        for command in tools.RPCCLIENT:
            text = tools.rpcclient(world.lab, client, host, world.smb_conf,
                                   command)
            why = tools.rpcclient_fails(text, command, world.server(name))
            check(not why, f"{client} on {name}: {why}")


@case("rounds", per=("intercept", "epm", "admit"))
def rounds_are_not_split(world):
    """Fifty rounds from each of three clients at once; in a round every
    interface has a new connection to 135 and one to its port.  Every client
    sees one server; not all see the same."""
    tasks = {client: world.task(client, rounds, world.target(client))
             for client in CLIENTS}
    seen = {client: task.result(120) for client, task in tasks.items()}
    for client, names in seen.items():
        check(len(names) == 1, f"{client} is split over {sorted(names)}")
    used = set.union(*seen.values())
    check(len(used) > 1, f"all clients are on {used}")


def rounds(host):
    return {clients.who(host, interface)[1]
            for _ in range(ROUNDS) for interface in ROUND_INTERFACES}


@case("first-connections", on=("mapilbd", "direct"),
      per=("intercept", "epm", "admit"))
def parallel_first_connections_agree(world):
    """A client that was never seen opens many connections at once."""
    for _ in range(5):
        source = world.stranger()
        ports, names = world.call(STRANGER, first_connections,
                                  world.target(STRANGER), source)
        check(len(ports) == 1 and len(names) == 1,
              f"{PARALLEL} connections of {source}: samr on {sorted(ports)} "
              f"of {sorted(names)}")


def first_connections(host, source):
    """Many connects to 135 in flight at once; then ept_map on each and a
    call on each port: (ports, names of servers)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sockets = []
    for _ in range(PARALLEL):
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.bind((source, 0))
        sock.setblocking(False)
        sock.connect_ex((host, 135))
        sockets.append(sock)
    ports = []
    for sock in sockets:
        with clients.mapper(host, ready=sock) as connection:
            ports.append(clients.ept_map(connection,
                                         clients.WHO["samr"][0]))
    names = {clients.who_at(host, port, "samr", source) for port in ports}
    return set(ports), names


@case("handles")
def handles_cross_connections(world):
    """A policy handle of one connection is good on another one of its
    association group, even when the first is closed, and only there."""
    for client in CLIENTS:
        world.call(client, handles, world.target(client))


def handles(host):
    interface = clients.WHO["samr"][0]
    port = clients.port_of(host, interface)
    first = clients.Connection(host, port, interface)
    handle = clients.samr.hSamrConnect(first.dce)["ServerHandle"]
    with clients.Connection(host, port, interface,
                            group=first.group) as second:
        if second.group != first.group:
            raise RuntimeError(f"asked for group {first.group:#x}, "
                               f"got {second.group:#x}")
        clients.samr.hSamrEnumerateDomainsInSamServer(second.dce, handle)
        with clients.Connection(host, port, interface) as stranger:
            try:
                clients.samr.hSamrEnumerateDomainsInSamServer(stranger.dce,
                                                              handle)
            except clients.DCERPCException as error:
                if "context_mismatch" not in str(error):
                    raise
            else:
                raise RuntimeError("a handle was good in another group")
        first.close()
        clients.samr.hSamrEnumerateDomainsInSamServer(second.dce, handle)


@case("smbtorture", "smbtorture", per=("intercept", "family", "epm",
                                       "admit"))
def smbtorture_passes_as_directly(world):
    """Suites of Samba's own: each test comes to what it comes to without the
    balancer, and those that are known to pass do."""
    client = "c2"
    host = world.target(client)
    name = world.call(client, clients.who, host, "samr")[1]
    direct = world.server(name).address(world.family)
    for suite in tools.SUITES + tools.SUITES_IN_PART:
        seen, end = tools.smbtorture(world.lab, client, host, world.smb_conf,
                                     suite)
        if suite in tools.SUITES and tools.is_passed(seen):
            continue
        # some tests try random octets and come out one way or the other
        alone = set()
        for _ in range(tools.TRIES_ALONE):
            alone |= set(tools.smbtorture(world.lab, client, direct,
                                          world.smb_conf, suite)[0])
            if set(seen) <= alone:
                break
        check(suite in tools.SUITES_IN_PART, f"{suite}: {seen} (directly: "
              f"{alone}): {end}")
        check(set(seen) <= alone, f"{suite} differs: {set(seen) - alone} "
              f"(directly: {alone}): {end}")


@case("wire", "tshark", "dumpcap", "rpcclient", "smbtorture",
      per=("intercept", "family", "epm", "admit"))
def tshark_finds_nothing_malformed(world):
    """What passed decodes as DCE/RPC on both sides of the balancer, and
    tshark complains of nothing that it does not complain of directly."""
    direct = world.file("direct.pcapng")
    server = world.servers[0]
    neighbour = world.stranger()
    with capture.Capture(world.lab, server.node, direct, neighbour):
        traffic(world, STRANGER, server.address(world.family))
    packets = capture.decode(direct)
    known = capture.complaints(packets)
    if world.balancer.kind == "direct":
        check_types(packets, server.address(world.family))
        return
    passed = world.file("balancer.pcapng")
    with capture.Capture(world.lab, balancers.NODE, passed, neighbour):
        for client in CLIENTS:
            traffic(world, client, world.target(client))
    packets = capture.decode(passed)
    for side in (balancers.VIP, balancers.SOURCE):
        check_types(packets, world.address(side))
    new = capture.complaints(packets) - known
    check(not new, f"tshark: {sorted(new)[:5]}")
    odd = capture.undecoded(packets)
    check(not odd, f"packets {odd[:5]} of {passed} are no DCE/RPC")


def check_types(packets, address):
    counts = capture.pdu_counts(packets, address)
    check(all(counts.values()),
          f"{address}: not every PDU type was seen: {counts}")


def traffic(world, client, host):
    """One of everything."""
    world.call(client, clients.listing, host)
    for interface in clients.WHO:
        world.call(client, clients.who, host, interface)
    tools.rpcclient(world.lab, client, host, world.smb_conf, "enumdomains")
    tools.smbtorture(world.lab, client, host, world.smb_conf,
                     "rpc.handles.samr")
    world.call(client, clients.listing, host, None, 500, SMALL_FRAGMENT)


# Failure

@case("server-stop", on=("mapilbd", "haproxy"))
def stopped_server_is_noticed_by_its_clients_only(world):
    """A server is killed under load.  Its clients see their connections
    end, and their next call to the endpoint mapper works, on another server;
    nobody else sees anything.  When it is back it gets new clients again,
    and those that moved stay where they are."""
    dead, stop = multiprocessing.Event(), multiprocessing.Event()
    tasks = {client: world.task(client, load, world.target(client), dead,
                                stop, tells=True)
             for client in CLIENTS}
    at = {client: task.next(20)[1] for client, task in tasks.items()}
    victim = world.server(at["c1"])
    check(len(set(at.values())) > 1, f"all clients are on {victim.name}")
    victim.kill()
    dead.set()
    for client in CLIENTS:
        if at[client] == victim.name:
            kind, what = tasks[client].next(20)
            check(kind == "told", f"{client} did not notice")
    for _ in range(len(world.servers) + 1):
        world.new_client()
    stop.set()
    ends = {client: task.result(20) for client, task in tasks.items()}
    for client in CLIENTS:
        check_history(client, ends[client], at[client], victim.name,
                      patient=world.combination.epm == "answer")
    victim.start(world.combination.layout)
    check_return(world, victim)
    for client in CLIENTS:
        now = world.call(client, clients.who, world.target(client),
                         "samr")[1]
        check(now == ends[client][-1][0], f"{client} went from "
              f"{ends[client][-1][0]} to {now} when {victim.name} was back")


def load(host, dead, stop, tell):
    """Calls on one connection that stays, and on new ones, until told to
    stop and then a while: a list of (server, None) and (None, error).  After
    an error the connection that stayed must end too; then, as soon as the
    server is wholly dead (its sockets close one after another), everything
    is opened anew, once, beginning at the endpoint mapper.  Tells the server
    at first, and when it has been served again after an error."""
    pause = threading.Event()
    history = []
    held = None
    told = False
    left = AFTERWARDS
    while left:
        left -= stop.is_set()
        try:
            if held is None:
                interface, ask = clients.WHO["samr"]
                held = clients.Connection(
                    host, clients.port_of(host, interface), interface)
            names = {ask(held.dce), clients.who(host, "drsuapi")[1]}
            history += [(name, None) for name in sorted(names)]
            if not told:
                tell(history[-1][0])
                told = True
        except (OSError, clients.DCERPCException) as error:
            history.append((None, f"{type(error).__name__}: {error}"))
            told = False
            if held is not None:
                held.transport.socket.settimeout(3)
                if not held.ended():
                    history.append((None, "the held connection stayed"))
                held.close()
                held = None
            dead.wait(clients.SECONDS)
            pause.wait(0.05)
    return history


def check_history(client, history, server, victim, patient=False):
    """What a client saw while <victim> was killed is what it should.  A
    <patient> one may be told of the victim until its failure is known."""
    errors = [error for _, error in history if error]
    after = itertools.dropwhile(lambda entry: not entry[1], history)
    after = {name for name, error in after if name}
    before = {name for name, error in
              itertools.takewhile(lambda entry: not entry[1], history)}
    check(before == {server}, f"{client} was split over {sorted(before)}")
    if server != victim:
        check(not errors, f"{client} on {server} saw {victim} die: {errors}")
        return
    check(errors, f"{client} was on {victim} and did not notice")
    check(len(errors) == 1 or patient, f"{client} on {victim} had "
          f"{len(errors)} errors where one is due: {errors[:4]}")
    check(len(after) == 1 and victim not in after,
          f"{client} went from {victim} to {sorted(after)}")


def check_return(world, victim):
    """New clients reach a server again after it has come back."""
    wait_until(lambda: world.new_client() == victim.name, RETURN_SECONDS,
               f"{victim.name} is back and gets a new client", 0.2)


@case("server-gone", "ss", on=("mapilbd",))
def unreachable_server_is_replaced(world):
    """A server's cable is out.  A client of it that has no connection open
    gets another server at its next call, after one connect-timeout; where
    the balancer answers for the endpoint mapper, as soon as it knows."""
    source = world.stranger()
    host = world.target(STRANGER)
    name = world.call(STRANGER, clients.who, host, "samr", source)[1]
    victim = world.server(name)
    wait_until(lambda: not connections(world, victim), 10,
               f"{name} has connections")
    world.lab.link(victim.node, "down")
    try:
        patience = RETURN_SECONDS if world.combination.epm == "answer" else 0
        now = world.call(STRANGER, clients.who_served, host, "samr", source,
                         patience, seconds=patience + 30)[1]
        check(now != name, f"{name} answers without a cable")
    finally:
        world.lab.link(victim.node, "up")
    check_return(world, victim)


def connections(world, server):
    """The lines of ss for what a server has open."""
    return world.lab.run(server.node, [
        "ss", "-H", "-t", "-n", "state", "connected", "exclude",
        "time-wait"], 10).stdout


# The process

@case("second", on=("mapilbd",))
def second_instance_is_refused(world):
    """A second start in the same namespace is refused, names the first, and
    does not disturb it."""
    done = world.lab.run(balancers.NODE, world.balancer.argv(), 10)
    check(done.returncode != 0, "a second instance ended with exit 0")
    pid = str(world.balancer.process.pid)
    check(pid in done.stdout, f"it does not name {pid}: {done.stdout}")
    world.call("c1", clients.who, world.target("c1"), "samr")


@case("reload", on=("mapilbd",))
def reload_keeps_connections_and_bindings(world):
    """SIGHUP with one server set to drain: its client keeps its connections
    and gets new ones there; new clients go elsewhere.  Back to enabled it
    gets new clients again."""
    host = world.target("c1")
    stop = multiprocessing.Event()
    task = world.task("c1", load, host, stop, stop, tells=True)
    name = task.next(20)[1]
    server = world.server(name)
    world.balancer.configure({f"server {name}": {"state": "drain"}})
    world.balancer.reload()
    wait_until(lambda: all(world.new_client() != name for _ in range(4)),
               RETURN_SECONDS, f"{name} drains: no new client gets it")
    stop.set()
    check_history("c1", task.result(20), name, None)
    world.balancer.configure()
    world.balancer.reload()
    check_return(world, server)


@case("foreign-listener", on=("mapilbd",))
def foreign_listener_is_spared(world):
    """A program that listens on an announced port before the balancer keeps
    that port; all others work.  Where ports are virtual the balancer hands
    out another one instead."""
    port = clients.port_of_listing(world.listing(world.servers[0]), "wkssvc")
    world.end_balancer()
    task = world.task(balancers.NODE, greet, port, tells=True)
    task.next(5)
    world.balancer.launch()
    world.wait_served()
    working = ["samr"] + ["wkssvc"] * world.combination.is_virtual
    for client in CLIENTS:
        host = world.target(client)
        said = world.call(client, read_greeting, host, port)
        check(said == GREETING, f"port {port} is another program's, and "
              f"{client} read {said!r} from it")
        for interface in working:
            world.call(client, clients.who, host, interface)
    task.kill()
    world.end_balancer()
    world.restart()


def greet(port, tell):
    """Listen on a port of every address; say a word to whoever comes."""
    with socket.create_server(("::", port), family=socket.AF_INET6,
                              dualstack_ipv6=True) as listener:
        tell("ready")
        while True:
            connection = listener.accept()[0]
            connection.sendall(GREETING)
            connection.close()


def read_greeting(host, port):
    with socket.create_connection((host, port), clients.SECONDS) as sock:
        return sock.recv(len(GREETING))


@case("late-vip", "ss", "bpftool", on=("mapilbd",))
def virtual_address_may_arrive_later(world):
    """The balancer starts without its virtual address (another node has it)
    and serves as soon as it comes."""
    world.end_balancer()
    world.lab.less(balancers.NODE, balancers.VIP)
    try:
        before = traces.listeners(world.lab, balancers.NODE)
        world.balancer.launch()
        wait_until(lambda: not world.balancer.is_up() or
                   traces.listeners(world.lab, balancers.NODE) != before,
                   balancers.READY_SECONDS, "listening without the address")
        check(world.balancer.is_up(), "it ended when the address was not "
              f"there, with {world.balancer.process.poll()}")
    finally:
        world.lab.more(balancers.NODE, balancers.VIP)
    world.wait_ready()
    for client in CLIENTS:
        world.call(client, clients.who, world.target(client), "samr")


@case("drain", "ss", "bpftool", on=("mapilbd",))
def sigterm_drains(world):
    """After SIGTERM a bound client goes on, a new one is refused; when the
    last connection ends the balancer ends with exit 0, with nothing left."""
    pid = world.balancer.process.pid
    world.call("c1", drain_client, world.target("c1"), pid)
    world.call(STRANGER, refuses, world.target(STRANGER),
               [world.stranger() for _ in range(20)])
    code = world.balancer.wait(balancers.STOP_SECONDS + 3)
    check_end(world, code)
    world.restart()


def drain_client(host, pid):
    """Hold a connection while the process is told to end, use it and new
    ones, and close it."""
    interface, ask = clients.WHO["samr"]
    port = clients.port_of(host, interface)
    with clients.Connection(host, port, interface) as held:
        name = ask(held.dce)
        os.kill(pid, 15)
        for _ in range(3):
            if ask(held.dce) != name or \
               clients.who(host, "drsuapi")[1] != name:
                raise RuntimeError("another server answers")


def refuses(host, sources):
    """A client that was never seen gets no answer on 135."""
    for source in sources:
        try:
            clients.mapper(host, source).close()
        except (OSError, clients.DCERPCException):
            return
    raise RuntimeError(f"{len(sources)} new clients were served")


def check_end(world, code):
    check(code is not None, "it did not end")
    check(code == 0, f"it ended with {code}")
    left = traces.differences(world.before,
                              traces.take(world.lab, balancers.NODE))
    check(not left, "; ".join(left))


@case("crash", "ss", "bpftool", on=("mapilbd",),
      per=("intercept", "user", "admit"))
def crash_is_cleaned_up(world):
    """After SIGKILL a new start works; SIGTERM with a client that does not
    go then ends with exit 0 after stop-timeout, with nothing left."""
    world.balancer.stop()
    world.restart()
    for client in CLIENTS:
        for interface in clients.WHO:
            world.call(client, clients.who, world.target(client), interface)
    task = world.task("c1", stay, world.target("c1"), tells=True)
    task.next(20)
    code = world.balancer.terminate(balancers.STOP_SECONDS + 3)
    check_end(world, code)
    check(task.result(20), "a connection outlived the balancer")


def stay(host, tell):
    """Hold a connection until the other side ends it; whether it did."""
    interface, ask = clients.WHO["samr"]
    port = clients.port_of(host, interface)
    with clients.Connection(host, port, interface) as held:
        tell(ask(held.dce))
        return held.ended()
