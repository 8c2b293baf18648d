"""Samba AD domain controllers as the array: a real endpoint mapper on 135
and real interfaces on ports of their own.

Layer: tests/e2e.  Needs samba, samba-common-bin, samba-ad-provision.

The controllers are independent: each has a domain SID, a name, and private
folders of its own; only the domain's name and the password are the same, as
a client does not know which of them it will get.  They are provisioned once
into build/e2e and copied for every run.
"""

import hashlib
import os
import shutil
import socket
import subprocess

import lab

NAMES = ("CAS1", "CAS2", "CAS3")
DOMAIN = "E2E"
USER = "Administrator"
PASSWORD = "Mapilb-e2e-1"
FIRST_NUMBER = 11		# of the addresses: .11, .12, .13
PIPES = ("samr", "drsuapi", "netlogon")

SMB_CONF = """[global]
	netbios name = {name}
	workgroup = {domain}
	realm = {domain}.TEST
	server role = active directory domain controller
	server services = rpc
	private dir = {folder}/private
	state directory = {folder}/state
	cache directory = {folder}/cache
	lock directory = {folder}
	pid directory = {folder}
	binddns dir = {folder}/bind-dns
	ncalrpc dir = {folder}/ncalrpc
	ntp signd socket directory = {folder}/ntp
	winbindd socket directory = {folder}/winbind
	logging = file
	log file = {folder}/log.%m
	interfaces = {addresses}
	bind interfaces only = yes
"""

CLIENT_CONF = """[global]
	netbios name = CLIENT
	workgroup = {domain}
	realm = {domain}.TEST
	private dir = {folder}
	state directory = {folder}
	cache directory = {folder}
	lock directory = {folder}
	pid directory = {folder}
	ncalrpc dir = {folder}/ncalrpc
	logging = file
	log file = {folder}/log
"""


def sid(index):
    return f"S-1-5-21-77-{index + 1}-{1000 + index}"


def ports(layout, index):
    """The smb.conf lines that give a server its ports.

    same      every server has every interface on the same port
    swapped   the same three ports, another interface on each
    disjoint  no port is used by two servers
    """
    base = 49200 + (100 * index if layout == "disjoint" else 0)
    turn = index if layout == "swapped" else 0
    lines = [f"\trpc server port:{pipe} = {base + 1 + (i + turn) % 3}\n"
             for i, pipe in enumerate(PIPES)]
    first = base + 10
    lines.append("\trpc server dynamic port range = "
                 f"{first}-{first + 9}\n")
    return "".join(lines)


def provision(cache):
    """Provision every server below <cache>, unless that was done by the same
    Samba and the same script; returns the folder that has them."""
    version = subprocess.run(["samba", "--version"], check=True,
                             stdout=subprocess.PIPE).stdout
    with open(__file__, "rb") as file:
        key = hashlib.sha256(version + file.read()).hexdigest()[:12]
    ready = os.path.join(cache, "provision-" + key)
    if os.path.isdir(ready):
        return ready
    for name in os.listdir(cache):
        if name.startswith("provision-"):
            shutil.rmtree(os.path.join(cache, name))
    making = ready + ".part"
    for index in range(len(NAMES)):
        provision_one(making, index)
    os.rename(making, ready)
    return ready


def provision_one(folder, index):
    target = os.path.join(folder, NAMES[index])
    done = subprocess.run(
        ["samba-tool", "domain", "provision", f"--targetdir={target}",
         f"--realm={DOMAIN}.TEST", f"--domain={DOMAIN}",
         f"--host-name={NAMES[index].lower()}", f"--domain-sid={sid(index)}",
         f"--host-ip={lab.v4(FIRST_NUMBER + index)}",
         f"--host-ip6={lab.v6(FIRST_NUMBER + index)}",
         f"--adminpass={PASSWORD}", "--server-role=dc",
         "--dns-backend=NONE"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", timeout=300)
    if done.returncode != 0:
        raise lab.LabError("samba-tool domain provision failed:\n"
                           + done.stdout[-2000:])


def write_client_conf(folder):
    """An smb.conf for Samba's clients; returns its path."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "smb.conf")
    with open(path, "w") as file:
        file.write(CLIENT_CONF.format(domain=DOMAIN, folder=folder))
    return path


class Server:
    """One domain controller in a namespace of its own."""

    def __init__(self, laboratory, index, provisioned):
        self.lab = laboratory
        self.index = index
        self.name = NAMES[index]
        self.sid = sid(index)
        self.node = f"s{index + 1}"
        self.number = FIRST_NUMBER + index
        self.folder = os.path.join(laboratory.folder, self.name)
        self.log = os.path.join(self.folder, "samba.out")
        self.process = None
        shutil.copytree(os.path.join(provisioned, self.name), self.folder)
        laboratory.node(self.node, self.number)

    def address(self, family):
        return lab.address(self.number, family)

    def start(self, layout):
        """Start Samba with its ports laid out, and wait for its endpoint
        mapper."""
        conf = os.path.join(self.folder, "smb.conf")
        with open(conf, "w") as file:
            file.write(SMB_CONF.format(
                name=self.name, domain=DOMAIN, folder=self.folder,
                addresses=f"{self.address(4)} {self.address(6)}"))
            file.write(ports(layout, self.index))
        self.process = self.lab.start(
            self.node, ["samba", "-i", "-M", "single",
                        f"--configfile={conf}"], self.log)
        self.lab.call(self.node, wait_for_port, self.address(4), 135)
        self.lab.call(self.node, wait_for_port, self.address(6), 135)

    def kill(self):
        """End Samba without giving it time for anything."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


def wait_for_port(host, port, seconds=20):
    """Wait until something accepts connections there."""
    def accepts():
        try:
            socket.create_connection((host, port), 1).close()
            return True
        except OSError:
            return False
    lab.wait_until(accepts, seconds, f"{host} port {port}")
