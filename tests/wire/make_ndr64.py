#!/usr/bin/python3
"""Stubs of the endpoint mapper as impacket writes them in NDR64, one a line:

map-request    OBJECT MAX TOWER STUB
map-reply      STATUS N TOWER... STUB
lookup-request INQUIRY OBJECT INTERFACE MAX STUB
lookup-reply   STATUS N ANNOTATION TOWER... STUB

Octets are hexadecimal, "-" is none of them. Exit status 77 without impacket.
"""
import itertools
import random
import sys

try:
    from impacket.dcerpc.v5 import epm
    from impacket.dcerpc.v5.dtypes import NULL
except ImportError:
    sys.exit(77)

ROUNDS = 100
dice = random.Random(64)
referents = itertools.count(1)


def octets(least, most):
    """Begins with an octet that is not 0, as a tower's number of floors."""
    size = dice.randint(least, most)
    return bytes(dice.randint(1, 255) for _ in range(size))


def shown(data):
    return data.hex() or '-'


def maybe_tower():
    return octets(4, 90) if dice.random() < 0.8 else b''


def set_tower(pointer, data):
    # impacket draws them at random, which now and then makes an alias.
    pointer.fields['ReferentID'] = next(referents)
    pointer['tower_length'] = len(data)
    pointer['tower_octet_string'] = data


def put_tower(owner, name, data):
    if data:
        set_tower(owner[name], data)
    else:
        owner[name] = NULL


def map_request():
    call = epm.ept_map(isNDR64=True)
    uuid = octets(16, 16) if dice.random() < 0.5 else b''
    call['obj'] = uuid or NULL
    data = maybe_tower()
    put_tower(call, 'map_tower', data)
    call['max_towers'] = most = dice.randint(0, 500)
    print('map-request', shown(uuid), most, shown(data),
          call.getData().hex())


def map_reply():
    reply = epm.ept_mapResponse(isNDR64=True)
    reply['num_towers'] = count = dice.randint(0, 8)
    towers = [octets(4, 90) for _ in range(count)]
    for data in towers:
        pointer = epm.twr_p_t(isNDR64=True)
        set_tower(pointer, data)
        reply['ITowers'].append(pointer)
    reply['status'] = status = dice.getrandbits(32)
    print('map-reply', status, count, *map(shown, towers),
          reply.getData().hex())


def lookup_request():
    call = epm.ept_lookup(isNDR64=True)
    call['inquiry_type'] = inquiry = dice.randint(0, 3)
    uuid = octets(16, 16) if dice.random() < 0.5 else b''
    call['object'] = uuid or NULL
    interface = octets(20, 20) if dice.random() < 0.5 else b''
    if interface:
        call['Ifid']['Uuid'] = interface[:16]
        call['Ifid']['VersMajor'] = int.from_bytes(interface[16:18], 'little')
        call['Ifid']['VersMinor'] = int.from_bytes(interface[18:], 'little')
    else:
        call['Ifid'] = NULL
    call['vers_option'] = 1
    call['max_ents'] = most = dice.randint(0, 500)
    print('lookup-request', inquiry, shown(uuid), shown(interface), most,
          call.getData().hex())


def lookup_reply():
    reply = epm.ept_lookupResponse(isNDR64=True)
    reply['num_ents'] = count = dice.randint(0, 4)
    words = []
    for _ in range(count):
        entry = epm.ept_entry_t(isNDR64=True)
        note, data = octets(0, 63), maybe_tower()
        entry['object'] = octets(16, 16)
        entry['annotation'] = note + b'\0'
        put_tower(entry, 'tower', data)
        reply['entries'].append(entry)
        words += [shown(note), shown(data)]
    reply['status'] = status = dice.getrandbits(32)
    print('lookup-reply', status, count, *words, reply.getData().hex())


for _ in range(ROUNDS):
    for make in (map_request, map_reply, lookup_request, lookup_reply):
        make()
