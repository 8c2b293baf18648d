"""What a balancer has in a network namespace: packet filter, policy routes,
BPF links, listening sockets, processes.

Layer: tests/e2e.  Needs iproute2, nftables, bpftool.
"""

import json
import os
import subprocess


def take(lab, node):
    """Everything of a node that must be as before when a balancer ended."""
    return {
        "nft tables": output(lab, node, "nft", "list", "ruleset"),
        "IPv4 rules": output(lab, node, "ip", "-4", "rule"),
        "IPv6 rules": output(lab, node, "ip", "-6", "rule"),
        "IPv4 routes": output(lab, node, "ip", "-4", "route", "show",
                              "table", "all"),
        "IPv6 routes": output(lab, node, "ip", "-6", "route", "show",
                              "table", "all"),
        "BPF links": bpf_links(lab, node),
        "listening sockets": listeners(lab, node),
        "processes": processes(lab, node),
    }


def output(lab, node, *argv):
    """The lines of a command's output as a sorted list; routes that the
    kernel makes and forgets by itself are left out."""
    done = lab.run(node, argv, 10)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: {done.stdout.strip()}")
    return sorted(line for line in done.stdout.splitlines()
                  if line.strip() and " proto kernel " not in line
                  and " expires " not in line)


def bpf_links(lab, node):
    """The BPF links that are attached to the node's namespace."""
    text = subprocess.run(["bpftool", "-j", "link", "show"], check=True,
                          stdout=subprocess.PIPE).stdout
    inode = os.stat(f"/run/netns/{lab.prefix}{node}").st_ino
    return sorted(f"{link['type']} {link.get('attach_type')} {link['id']}"
                  for link in json.loads(text)
                  if link.get("netns_ino") == inode)


def listeners(lab, node):
    """Local address and port of every listening TCP and UDP socket."""
    return sorted(line.split()[4] for line in
                  output(lab, node, "ss", "-H", "-l", "-n", "-t", "-u"))


def processes(lab, node):
    """The pids of what runs in the node."""
    done = subprocess.run(["ip", "netns", "pids", lab.prefix + node],
                          check=True, text=True, stdout=subprocess.PIPE)
    return sorted(done.stdout.split())


def differences(before, after):
    """One line for each kind of thing that is not as before."""
    lines = []
    for kind in before:
        more = [line for line in after[kind] if line not in before[kind]]
        gone = [line for line in before[kind] if line not in after[kind]]
        if more:
            lines.append(f"{kind}: left behind {more[:3]}")
        if gone:
            lines.append(f"{kind}: missing {gone[:3]}")
    return lines
