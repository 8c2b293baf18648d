"""A world: a laboratory with servers, clients, and a balancer between them,
in which combinations run one after another.

Layer: tests/e2e.
"""

import contextlib
import os
import shutil
import time
import traceback

import balancers
import cases
import clients
import lab
import servers
import traces

KINDS = {kind.kind: kind for kind in
         (balancers.Mapilbd, balancers.Haproxy, balancers.Direct)}
CLIENT_NUMBERS = {"c1": 101, "c2": 102, "c3": 103, "c4": 104}
STRANGERS = range(256, 1500)	# further addresses of c4


class World:
    GATEWAY = 105		# the number of the address of c5 and c6
    NOT_BEGUN = "not begun, see the first case"

    def __init__(self, name, kind, provisioned):
        self.lab = lab.Lab(name)
        self.provisioned = provisioned
        self.kind = kind
        self.layout = None

    def open(self):
        self.lab.open()
        self.servers = [servers.Server(self.lab, index, self.provisioned)
                        for index in range(len(servers.NAMES))]
        for client, number in CLIENT_NUMBERS.items():
            self.lab.node(client, number)
        self.lab.more(cases.STRANGER, *STRANGERS)
        self.lab.gateway("nat", self.GATEWAY)
        for client in cases.NATTED:
            self.lab.behind("nat", client, int(client[1:]))
        self.smb_conf = servers.write_client_conf(
            os.path.join(self.lab.folder, "client"))
        self.balancer = KINDS[self.kind](self.lab, self.servers)

    def close(self):
        self.lab.close()

    # What cases use

    def target(self, client):
        """The address that a client connects to."""
        return self.balancer.target(client)

    def address(self, number):
        return lab.address(number, self.family)

    def call(self, client, function, *args, **kwargs):
        """Run a function in a client's namespace."""
        return self.lab.call(client, function, *args, **kwargs)

    def task(self, client, function, *args, **kwargs):
        return self.lab.task(client, function, *args, **kwargs)

    def file(self, name):
        """A path for something that is kept when a case fails."""
        return os.path.join(self.folder, name)

    def server(self, name):
        return next(s for s in self.servers if s.name == name)

    def servers_behind(self, client):
        """The servers that a client's target may lead to."""
        if self.kind != "direct":
            return self.servers
        return [s for s in self.servers
                if s.address(self.family) == self.target(client)]

    def listing(self, server):
        """A server's own listing, asked without the balancer."""
        return self.call(cases.STRANGER, clients.listing,
                         server.address(self.family))

    def stranger(self):
        """An address of c4 that was not used in this combination."""
        return self.address(next(self.strangers))

    def new_client(self):
        """A client that was never seen makes a call: its server's name."""
        return self.call(cases.STRANGER, clients.who,
                         self.target(cases.STRANGER), "samr",
                         self.stranger())[1]

    def residents(self):
        """A client that was never seen for each server, which has it:
        {name of the server: address of the client}.  A server that was away
        may need a moment until it gets one."""
        found = {}

        def is_complete():
            source = self.stranger()
            name = self.call(cases.STRANGER, clients.who_served,
                             self.target(cases.STRANGER), "samr", source,
                             cases.RETURN_SECONDS)[1]
            found.setdefault(name, source)
            return len(found) == len(self.servers)
        lab.wait_until(is_complete, cases.RETURN_SECONDS,
                       "every server gets a new client")
        return found

    @property
    def page(self):
        """Entries of a listing that are asked for at once.  A balancer that
        answers itself need not remember where a listing stopped."""
        return 500 if self.combination.epm == "answer" else clients.PAGE

    def told(self, source):
        """The listing that a client of c4 gets."""
        return self.call(cases.STRANGER, clients.listing,
                         self.target(cases.STRANGER), source, self.page)

    def told_ports(self):
        """Every port that clients are told of."""
        if self.combination.is_virtual:
            listings = [self.told(source)
                        for source in self.residents().values()]
        else:
            listings = [self.listing(server) for server in self.servers]
        return set().union(*map(clients.listing_ports, listings))

    @contextlib.contextmanager
    def filtered(self, node, *rules):
        """Rules of the packet filter for what comes to a node."""
        self.lab.nft(node, "add table inet e2e",
                     "add chain inet e2e input "
                     "{ type filter hook input priority 0; }",
                     *(f"add rule inet e2e input {rule}" for rule in rules))
        try:
            yield
        finally:
            self.lab.nft(node, "delete table inet e2e")

    @contextlib.contextmanager
    def configured(self, changes, ready=True):
        """Another configuration for a while; the next case finds the
        combination's own.  <ready>: wait until it serves."""
        if self.balancer.is_up():
            self.end_balancer()
        self.balancer.configure(changes)
        try:
            self.balancer.launch()
            if ready:
                self.wait_served()
            yield
        finally:
            self.balancer.stop()
            self.balancer.configure()

    def end_balancer(self):
        """Tell the balancer to stop; it must end well."""
        code = self.balancer.terminate(balancers.STOP_SECONDS + 3)
        cases.check(code == 0, f"it ended with {code}")

    def restart(self):
        """Start the balancer (again) and wait until all is served."""
        if self.kind == "direct":
            return
        since = self.balancer.log_size() if self.kind == "mapilbd" else 0
        self.balancer.launch()
        self.wait_ready()
        if self.kind == "mapilbd":
            lab.wait_until(lambda: self.all_asked(since),
                           balancers.READY_SECONDS,
                           "every endpoint mapper has been asked")

    def all_asked(self, since):
        """Whether the balancer has heard of every server since then: with
        admit = any it is open before it knows whose ports are whose."""
        lines = (self.balancer.log_lines("endpoint-mapper", since) +
                 self.balancer.log_lines("endpoint-mapper-failed", since))
        return all(any(f" server={server.name.lower()} " in line
                       for line in lines) for server in self.servers)

    def wait_ready(self):
        """The balancer is ready when it leads to every server; and, where it
        opens the servers' own ports, when all of them accept."""
        try:
            if self.kind == "mapilbd":
                self.wait_served()
            if not self.combination.is_virtual and \
               self.combination.admit != "leased":
                self.wait_open()
        except (lab.TaskError, lab.LabError) as error:
            if not self.balancer.is_up():
                raise lab.LabError(f"{self.kind} ended with "
                                   f"{self.balancer.process.returncode}")
            raise lab.LabError(f"{self.kind} is not ready: "
                               f"{str(error).splitlines()[0]}")

    def wait_served(self):
        """Wait until new clients were served by each of the servers."""
        end = time.monotonic() + balancers.READY_SECONDS
        missing = {server.name for server in self.servers}
        while missing:
            task = self.task(cases.STRANGER, wait_for_service,
                             self.target(cases.STRANGER), self.stranger(),
                             end)
            missing.discard(task.result(balancers.READY_SECONDS + 5))
            if missing and time.monotonic() > end:
                raise lab.LabError(f"no new client is on {sorted(missing)}")

    def wait_open(self):
        end = time.monotonic() + balancers.READY_SECONDS
        ports = set()
        for server in self.servers:
            ports |= set(clients.listing_ports(self.listing(server)))
        self.task(cases.STRANGER, wait_for_ports,
                  self.target(cases.STRANGER), sorted(ports),
                  end).result(balancers.READY_SECONDS + 5)

    def wait_strict(self):
        """After a start without state, leased acts as announced for one
        lease-timeout.  Let that pass, then start with state."""
        self.balancer.configure({"rpc": {"lease-timeout": "1s"}})
        self.restart()
        host = self.target(cases.STRANGER)
        port = self.call(cases.STRANGER, clients.who, host, "samr",
                         self.stranger())[0]
        lab.wait_until(
            lambda: not self.call(cases.STRANGER, clients.serves, host, port,
                                  self.stranger()),
            balancers.READY_SECONDS, "leased refuses who was told nothing",
            0.2)
        self.end_balancer()
        self.balancer.configure()

    # Running a combination

    def run(self, combination, selected, folder, report):
        """Run the selected cases; report(case, seconds, reason) each, where
        the reason is None for success."""
        self.combination = combination
        self.family = combination.family
        self.folder = folder
        self.strangers = iter(STRANGERS)
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        try:
            self.prepare(combination, folder)
        except Exception as error:
            reason = describe(error)
            for each in selected:
                report(each.case, 0, reason)
                reason = self.NOT_BEGUN
            self.finish()
            return
        for each in selected:
            begin = time.monotonic()
            reason = self.run_case(each)
            report(each.case, time.monotonic() - begin, reason)
        self.finish()

    def prepare(self, combination, folder):
        for server in self.servers:
            if combination.layout != self.layout or not server.process:
                server.kill()
                server.start(combination.layout)
        self.layout = combination.layout
        if self.kind != "direct":
            self.before = traces.take(self.lab, balancers.NODE)
        self.balancer.start(combination, folder)
        if combination.admit == "leased":
            self.wait_strict()
        self.restart()

    def run_case(self, each):
        """The reason why a case failed, or None.  A balancer or a server
        that a case left dead is started again for the next; a balancer also
        when a case failed, that may have left it in any state."""
        reason = None
        try:
            self.revive()
            each(self)
        except Exception as error:
            reason = describe(error)
            if self.kind != "direct":
                self.balancer.stop()
                self.balancer.configure()
        self.lab.end_tasks()
        return reason

    def revive(self):
        for server in self.servers:
            if not server.process:
                server.start(self.layout)
        if self.kind != "direct" and not self.balancer.is_up():
            self.restart()

    def finish(self):
        """In order, so that the next combination finds nothing of this: one
        that was killed leaves a policy route, which the next start takes."""
        if self.kind == "mapilbd" and not self.balancer.is_up() and \
           self.combination.intercept == "tproxy":
            self.restart()
        if self.balancer.is_up():
            self.balancer.terminate(balancers.STOP_SECONDS + 3)
        self.balancer.stop()
        for server in self.servers:
            if os.path.exists(server.log):
                shutil.copy(server.log, self.file(server.name + ".log"))


def wait_for_ports(host, ports, end):
    """Wait until every port accepts."""
    for port in ports:
        servers.wait_for_port(host, port, max(1, end - time.monotonic()))


def wait_for_service(host, source, end):
    """Wait until a client is served: the name of its server."""
    while True:
        try:
            return clients.who(host, "samr", source)[1]
        except (OSError, clients.DCERPCException) as error:
            if time.monotonic() > end:
                raise lab.LabError(f"{source} is not served: {error}")
            time.sleep(0.05)


def describe(error):
    """An exception as a reason: short for what is expected to happen, with
    its place for what is not."""
    if isinstance(error, (cases.Failed, lab.LabError, lab.TaskError)):
        return str(error)
    return traceback.format_exc().strip()
