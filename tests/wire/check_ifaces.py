#!/usr/bin/python3
"""Compare "name uuid version" lines with what Samba and impacket say.

Exit status 77 if neither is installed.
"""
import importlib
import pkgutil
import sys

# Their names where ours differ.
SAMBA = {'epm': 'epmapper', 'winspool': 'iremotewinspool'}
IMPACKET = {
    'epm': ('epm', 'MSRPC_UUID_PORTMAP'),
    'mgmt': ('mgmt', 'MSRPC_UUID_MGMT'),
    'nspi': ('nspi', 'MSRPC_UUID_NSPI'),
    'rfr': ('oxabref', 'MSRPC_UUID_OXABREF'),
    'samr': ('samr', 'MSRPC_UUID_SAMR'),
    'lsarpc': ('lsad', 'MSRPC_UUID_LSAD'),
    'netlogon': ('nrpc', 'MSRPC_UUID_NRPC'),
    'drsuapi': ('drsuapi', 'MSRPC_UUID_DRSUAPI'),
    'dssetup': ('dssp', 'MSRPC_UUID_DSSP'),
    'backupkey': ('bkrp', 'MSRPC_UUID_BKRP'),
    'svcctl': ('scmr', 'MSRPC_UUID_SCMR'),
    'srvsvc': ('srvs', 'MSRPC_UUID_SRVS'),
    'wkssvc': ('wkst', 'MSRPC_UUID_WKST'),
    'winreg': ('rrp', 'MSRPC_UUID_RRP'),
    'atsvc': ('atsvc', 'MSRPC_UUID_ATSVC'),
    'task-scheduler': ('tsch', 'MSRPC_UUID_TSCHS'),
    'spoolss': ('rprn', 'MSRPC_UUID_RPRN'),
    'winspool': ('par', 'MSRPC_UUID_PAR'),
    'eventlog': ('even', 'MSRPC_UUID_EVEN'),
    'eventlog6': ('even6', 'MSRPC_UUID_EVEN6'),
    'dhcpsrv': ('dhcpm', 'MSRPC_UUID_DHCPSRV'),
    'dhcpsrv2': ('dhcpm', 'MSRPC_UUID_DHCPSRV2'),
    'oxid-resolver': ('dcomrt', 'IID_IObjectExporter'),
    'remote-activation': ('dcomrt', 'IID_IActivation'),
    'system-activator': ('dcomrt', 'IID_IRemoteSCMActivator'),
    'wmi': ('dcom.wmi', 'IID_IWbemServices'),
    'wmi-login': ('dcom.wmi', 'IID_IWbemLevel1Login'),
}
# Known to impacket by the program that serves them.
SERVED_BY = {'frs': 'ntfrs.exe', 'dfsr': 'dfsrmig.exe', 'netdfs': 'dfssvc.exe',
             'dnsserver': 'dns.exe', 'icertpassage': 'certsrv.exe',
             'efsrpc': 'lsasrv.dll', 'wins': 'WINS.EXE',
             'clusapi': 'clussvc.exe', 'termsrv': 'termsrv.dll',
             'initshutdown': 'wininit.exe'}
# Neither knows them; [MS-OXCRPC] 1.9 does, and vector 03 the first.
UNKNOWN = {'emsmdb', 'async-emsmdb'}


def samba_table():
    try:
        import samba.dcerpc as pkg
    except ImportError:
        return None
    table = {}
    suffix = '_abstract_syntax'
    for info in pkgutil.iter_modules(pkg.__path__):
        module = importlib.import_module('samba.dcerpc.' + info.name)
        for name, value in vars(module).items():
            if name.endswith(suffix) and name != suffix[1:]:
                value = value()
                table[name[:-len(suffix)]] = (
                    str(value.uuid), '%d.%d' % (value.if_version & 0xffff,
                                                value.if_version >> 16))
    return table


def impacket_name(name):
    """(uuid, version) of our interface <name>, None if it has no constant."""
    from impacket.uuid import bin_to_uuidtup
    if name not in IMPACKET:
        return None
    module, constant = IMPACKET[name]
    module = importlib.import_module('impacket.dcerpc.v5.' + module)
    uuid, version = bin_to_uuidtup(getattr(module, constant))
    return uuid.lower(), version


def impacket_program(uuid, version):
    from impacket.dcerpc.v5.epm import KNOWN_UUIDS
    from impacket.uuid import bin_to_string
    major, minor = map(int, version.split('.'))
    for key, program in KNOWN_UUIDS.items():
        if (bin_to_string(key[:16]).lower() == uuid
                and tuple(key[16:]) == (major, minor)):
            return program
    return None


def main():
    samba = samba_table()
    try:
        import impacket  # noqa: F401
    except ImportError:
        impacket = None
    if samba is None or impacket is None:
        return 77
    bad = 0
    for line in sys.stdin:
        name, uuid, version = line.split()
        said = {}
        theirs = samba.get(SAMBA.get(name, name))
        if theirs:
            said['samba'] = theirs == (uuid, version)
        theirs = impacket_name(name)
        if theirs:
            said['impacket'] = theirs == (uuid, version)
        if name in SERVED_BY:
            program = impacket_program(uuid, version)
            said['program'] = program == SERVED_BY[name]
        ok = all(said.values()) and (bool(said) or name in UNKNOWN)
        bad += not ok
        print('ok ' if ok else 'BAD', name, uuid, version, said)
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
