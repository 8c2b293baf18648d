"""Samba's own clients: rpcclient and smbtorture.

Layer: tests/e2e.  Needs smbclient (rpcclient), samba-testsuite.
"""

import re

import servers

SECONDS = 60

# Each runs in a connection of its own after one to the endpoint mapper:
# command, and what its output says when it worked, with {name} and {sid} of
# the server that answered.
RPCCLIENT = {
    "enumdomains": r"name:\[E2E\]",
    "lookupdomain " + servers.DOMAIN: r"Domain SID: {sid}$",
    "dsr_getdcname " + servers.DOMAIN: r"dc_unc .*{lower}",
    "dsgetdcinfo " + servers.DOMAIN: r"netbios_name:\t{name}$",
    "dsroledominfo": r"Directory Service is running",
}

# Those that pass against Samba 4.17 itself over TCP.
SUITES = (
    "rpc.handles.samr",
    "rpc.handles.random-assoc",
    "rpc.bind.assoc_group_handles_external",
    "rpc.mgmt",
    "rpc.asyncbind",
    "rpc.lsa-getuser",
    "rpc.dssetup",
    "rpc.scanner",
    "rpc.browser",
    "rpc.lsa.lookupsids",
    "rpc.lsalookup",
)

# Those of which a part passes, and how often they are tried directly.
TRIES_ALONE = 8
SUITES_IN_PART = (
    "rpc.backupkey",
    "rpc.epmapper",
)


def binding(host):
    return f"ncacn_ip_tcp:{host}[seal]"


def credentials(conf):
    user = f"{servers.DOMAIN}/{servers.USER}%{servers.PASSWORD}"
    return ["-s", conf, "-U", user]


def rpcclient(lab, node, host, conf, command):
    """Run one command; what it printed."""
    return lab.run(node, ["rpcclient", binding(host), *credentials(conf),
                          "-c", command], SECONDS).stdout


def rpcclient_fails(text, command, server):
    """Why the output of a command is not what that server says; or None."""
    pattern = RPCCLIENT[command].format(
        name=server.name, lower=server.name.lower(), sid=server.sid)
    if re.search(pattern, text, re.MULTILINE):
        return None
    return f"rpcclient {command}: no /{pattern}/ in: {text.strip()[-300:]}"


def smbtorture(lab, node, host, conf, suite):
    """Run a suite: its outcomes as (success|failure|error|skip, test), and
    the end of what it printed."""
    done = lab.run(node, ["smbtorture", binding(host), *credentials(conf),
                          suite], SECONDS)
    outcomes = re.findall(r"^(success|failure|error|skip): ([^[\n]*)",
                          done.stdout, re.MULTILINE)
    if not outcomes:
        outcomes = [("error", f"exit {done.returncode}")]
    return ([(kind, test.strip()) for kind, test in outcomes],
            done.stdout.strip()[-300:])


def is_passed(outcomes):
    """Whether a suite passed: one that skipped its tests did not."""
    return all(kind == "success" for kind, _ in outcomes)
