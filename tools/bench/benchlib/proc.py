"""What the kernel says of a process: CPU, memory, descriptors."""

import os
import time


def cpu_seconds(pid):
    """CPU of all its threads; the kernel's clock of a process, see
    clock_getcpuclockid(3)."""
    return time.clock_gettime((~pid << 3) | 2)


def pss(pid):
    """Octets of user space, shared pages divided among their users."""
    with open(f"/proc/{pid}/smaps_rollup") as f:
        for line in f:
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    raise ValueError("no Pss in smaps_rollup")


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def listeners(pid):
    """Listening TCP sockets of a process."""
    inodes = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        target = os.readlink(f"/proc/{pid}/fd/{name}")
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    count = 0
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table) as f:
            next(f)
            for line in f:
                fields = line.split()
                count += fields[3] == "0A" and fields[9] in inodes
    return count
