"""The machine: namespaces, cores, prerequisites, a description."""

import os
import platform
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

SCRATCH = "/run/bench"      # a tmpfs of our own in our mount namespace


class Refusal(Exception):
    """The benchmark cannot run here; the text says what to do."""


def require_tools(folder):
    for name in ("load", "sink", "inside"):
        if not os.access(os.path.join(folder, name), os.X_OK):
            raise Refusal(f"{folder}/{name} is missing: make bench builds it")
    for name, package in (("unshare", "util-linux"), ("setpriv", "util-linux"),
                          ("ip", "iproute2"), ("mount", "mount"),
                          ("taskset", "util-linux")):
        if not shutil.which(name):
            raise Refusal(f"{name} is missing: apt-get install {package}")
    if os.geteuid() != 0:
        raise Refusal("namespaces and ports below 1024 need root: "
                      "sudo make bench")
    if len(os.sched_getaffinity(0)) < 2:
        raise Refusal("two cores are needed, one for the balancer alone")


def enter_namespaces(script):
    """Runs ourselves again inside; whatever ends us ends all of it."""
    command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--pid",
               "--mount", "--fork", "--kill-child", "--mount-proc",
               sys.executable, script, "--inside", *sys.argv[1:]]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    child = subprocess.Popen(command)
    try:
        return child.wait()
    finally:
        child.kill()
        child.wait()


def prepare_namespace():
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "bench", "/run"], check=True)
    os.mkdir(SCRATCH)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def be_nice(value):
    """Between sessions the kernel weighs their groups, if it makes any."""
    os.nice(value)
    if value and os.path.exists("/proc/self/autogroup"):
        os.setsid()
        with open("/proc/self/autogroup", "w") as f:
            f.write(str(value))


def cores():
    """(the balancer's core, all others)"""
    available = sorted(os.sched_getaffinity(0))
    return {available[-1]}, set(available[:-1])


def retransmitted():
    """TCP segments sent again so far in this network namespace."""
    with open("/proc/net/snmp") as f:
        names, values = [line.split() for line in f
                         if line.startswith("Tcp:")]
    return int(values[names.index("RetransSegs")])


def busy_seconds():
    """CPU that the whole machine has used so far."""
    with open("/proc/stat") as f:
        user, nice, system, _idle, _wait, irq, softirq = map(
            int, f.readline().split()[1:8])
    ticks = user + nice + system + irq + softirq
    return ticks / os.sysconf("SC_CLK_TCK")


def cpu_model():
    with open("/proc/cpuinfo") as f:
        found = re.search(r"^model name\s*:\s*(.*)$", f.read(), re.M)
    return found.group(1) if found else platform.machine()


def commit(root):
    def git(*args):
        return subprocess.run(["git", "-C", root, *args], text=True,
                              capture_output=True).stdout.strip()
    changed = git("status", "--porcelain", "--untracked-files=no")
    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + (
        " with local changes" if changed else "")


def distribution():
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def describe(root, versions):
    """[(what, value)] for the head of the report."""
    return [
        ("date", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())),
        ("commit", commit(root)),
        ("machine", f"{os.cpu_count()} cores, {cpu_model()}"),
        ("kernel", platform.release()),
        ("system", distribution()),
        *versions,
    ]
