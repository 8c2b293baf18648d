"""What the kernel says of a process: CPU, memory, descriptors."""

import contextlib
import os
import time


def cpu_seconds(pid):
    """CPU of all its threads; the kernel's clock of a process, see
    clock_getcpuclockid(3)."""
    return time.clock_gettime((~pid << 3) | 2)


def pss(pid, *parts):
    """Octets of user space, shared pages divided among their users.

    <parts>  such as "Pss_Anon"; without any, all of it.
    """
    wanted = [part + ":" for part in parts or ("Pss",)]
    with open(f"/proc/{pid}/smaps_rollup") as f:
        sizes = [int(line.split()[1]) for line in f
                 if line.split()[0] in wanted]
    if len(sizes) != len(wanted):
        raise ValueError(f"smaps_rollup has not all of {wanted}")
    return sum(sizes) * 1024


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def sockets(pid):
    """Inodes of a process's sockets."""
    inodes = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):    # closed meanwhile
            target = os.readlink(f"/proc/{pid}/fd/{name}")
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    return inodes


def listeners(pid):
    """Listening TCP sockets of a process."""
    inodes = sockets(pid)
    count = 0
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table) as f:
            next(f)
            for line in f:
                fields = line.split()
                count += fields[3] == "0A" and fields[9] in inodes
    return count
