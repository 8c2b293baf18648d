"""Cases: what survives a restart, and what the log says.

Layer: tests/e2e.
"""

import os
import re
import time

import balancers
import clients
from cases import STRANGER, case, check
from lab import wait_until

KNOWN_USER = re.compile(r' user="?E2E[\\/]+Administrator"?(\s|$)', re.I)


# Restart

@case("restart", on=("mapilbd",), per=("intercept", "user", "epm", "admit"))
def clients_find_their_server_after_a_crash(world):
    """SIGKILL in the middle of the work of a client of each server, and a
    new start: each dials the port that it knows, and the first that answers
    is the server that it had.  Virtual ports are told as before, a lease is
    still needed."""
    host = world.target(STRANGER)
    path = world.balancer.state_file
    with world.configured({"balancer": {"state-file": path}}):
        tasks = {source: world.task(STRANGER, work, host, source, tells=True)
                 for source in world.residents().values()}
        had = {source: task.next(20)[1] for source, task in tasks.items()}
        wait_written(world, path)
        world.balancer.stop()
        world.balancer.launch()
        for source, task in tasks.items():
            port, name = had[source]
            seen = task.result(balancers.READY_SECONDS + 10)
            check(seen == name, f"{source} was on {name}, knew port {port}, "
                  f"and came to {seen}")
            told, now = world.call(STRANGER, clients.who, host, "samr",
                                   source)
            check((told, now) == (port, name), f"{source} had {port} of "
                  f"{name} and is told {told} of {now}")
        if world.combination.admit == "leased":
            other = world.stranger()
            check(not world.call(STRANGER, clients.serves, host, port,
                                 other), f"{port} serves {other}, who has no "
                  "lease")


def work(host, source, tell):
    """Calls on one connection until it breaks, then on new ones to the same
    port until one is served: the server of that.  Tells port and server at
    first."""
    interface, ask = clients.WHO["samr"]
    port = clients.port_of(host, interface, source)
    with clients.Connection(host, port, interface,
                            source=source) as connection:
        tell((port, ask(connection.dce)))
        try:
            while True:
                ask(connection.dce)
        except (OSError, clients.DCERPCException):
            pass
    end = time.monotonic() + balancers.READY_SECONDS
    while True:
        try:
            return clients.who_at(host, port, "samr", source)
        except (OSError, clients.DCERPCException):
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


def wait_written(world, path):
    """Wait until the state file has everything up to now: it was written
    for something later, a new client's binding."""
    now = time.time_ns()
    world.new_client()
    wait_until(lambda: os.path.exists(path) and
               os.stat(path).st_mtime_ns > now, balancers.READY_SECONDS,
               f"{path} is written")


def flip(data):
    """One bit in the middle is another."""
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1:]


def halve(data):
    return data[:len(data) // 2]


DAMAGES = {"a flipped bit": flip, "a lost half": halve}


@case("state-damaged", on=("mapilbd",), per=("user", "epm", "admit"))
def damaged_state_is_set_aside(world):
    """A state file that is not what was written is set aside and said; the
    balancer starts without it, and virtual ports are the same again."""
    path = world.balancer.state_file + "-damaged"
    with world.configured({"balancer": {"state-file": path}}):
        host = world.target(STRANGER)
        before = ports_by_server(world, host)
        wait_until(lambda: os.path.exists(path) and os.path.getsize(path),
                   balancers.READY_SECONDS, f"{path} is written")
        for what, damage in DAMAGES.items():
            since = world.balancer.log_size()
            world.balancer.stop()
            with open(path, "rb") as file:
                data = damage(file.read())
            with open(path, "wb") as file:
                file.write(data)
            world.balancer.launch()
            world.wait_served()
            lines = world.balancer.log_lines("state-damaged", since)
            check(len(lines) == 1, f"{what}: {len(lines)} lines "
                  "event=state-damaged")
            with open(path + ".damaged", "rb") as file:
                check(file.read() == data, f"{what}: what was set aside is "
                      "something else")
            os.remove(path + ".damaged")
            after = ports_by_server(world, host)
            check(before == after, f"{what}: told {before}, then {after}")
            wait_until(lambda: os.path.exists(path), balancers.READY_SECONDS,
                       f"{path} is written again")


def ports_by_server(world, host):
    return {name: world.call(STRANGER, clients.port_of, host,
                             clients.WHO["samr"][0], source)
            for name, source in world.residents().items()}


# The log

@case("log-users", epm=("rewrite", "track", "answer"), on=("mapilbd",),
      per=("intercept", "epm"))
def log_names_interface_and_user(world):
    """The end of a connection names its interface, and the user whom NTLM
    shows: by name, by a hash, or not at all, as log-users says."""
    for setting in ("yes", "hash", "no"):
        since = world.balancer.log_size()
        with world.configured({"balancer": {"log-users": setting}}):
            line = line_of_call(world, world.stranger(), since)
            check((" user=" in line) == (setting != "no"),
                  f"log-users = {setting}: {line}")
            check(bool(KNOWN_USER.search(line)) == (setting == "yes"),
                  f"log-users = {setting}: {line}")
            clear = re.search("administrator", world.balancer.log(since),
                              re.I)
            check(bool(clear) == (setting == "yes"), f"log-users = {setting}"
                  f": the log has {clear}")


def line_of_call(world, source, since):
    """The close line of a call to samr."""
    port, _ = world.call(STRANGER, clients.who, world.target(STRANGER),
                         "samr", source)
    found = []

    def is_there():
        found[:] = [line for line in
                    world.balancer.log_lines("close", since)
                    if source in line and f" port={port} " in line]
        return found
    wait_until(is_there, 5, f"a close line for {source} on {port}")
    check(" interface=samr " in found[0] + " ", f"no interface: {found[0]}")
    return found[0]
