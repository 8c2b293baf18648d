"""RPC clients of Samba's Python: conversations with the endpoint mapper that
are signed and sealed, by a client that verifies them.

Layer: tests/e2e.  Needs python3-samba.

All functions here run inside a client's namespace.
"""

import servers

OPTIONS = ("connect", "packet", "sign", "seal")
TCP_FLOOR = 7
ENTRIES = 500
EVERYTHING = 0x02000000		# maximum allowed


def session(conf):
    """What Samba calls its parameters and credentials."""
    from samba import credentials, param
    parameters = param.LoadParm()
    parameters.load(conf)
    user = credentials.Credentials()
    user.guess(parameters)
    user.set_domain(servers.DOMAIN)
    user.set_username(servers.USER)
    user.set_password(servers.PASSWORD)
    user.set_kerberos_state(credentials.DONT_USE_KERBEROS)
    return parameters, user


def domain_sid(host, option, conf):
    """Ask the endpoint mapper for samr with a lookup and with a map, both
    with an option of OPTIONS; the SID that the server on the told port
    says."""
    from samba.dcerpc import epmapper, lsa, misc, samr
    mapper = epmapper.epmapper(f"ncacn_ip_tcp:{host}[135,{option}]",
                               *session(conf))
    _, entries, _ = mapper.epm_Lookup(0, None, None, 0,
                                      misc.policy_handle(), ENTRIES)
    tower = next(entry.tower for entry in entries
                 if entry.annotation == "samr" and tower_port(entry.tower))
    _, towers, status = mapper.epm_Map(None, tower, misc.policy_handle(), 4)
    if status or not towers:
        raise RuntimeError(f"epm_Map: {status:#x}, {len(towers)} towers")
    port = tower_port(towers[0].twr)
    server = samr.samr(f"ncacn_ip_tcp:{host}[{port},seal]", *session(conf))
    domain = lsa.String()
    domain.string = servers.DOMAIN
    return str(server.LookupDomain(server.Connect2(None, EVERYTHING),
                                   domain))


def tower_port(twr):
    """The TCP port of a tower, or 0."""
    floors = twr.tower.floors
    if len(floors) < 4 or floors[3].lhs.protocol != TCP_FLOOR:
        return 0
    return floors[3].rhs.port
