"""A state file, written without the daemon.

Source: include/core/state.h.
"""
import struct
import time

MAGIC = b'mapilbst'
BINDING, NO_SOURCE = 1, 255
NAME_LEN = 64
MASK = (1 << 64) - 1


def checksum(octets):
    """SipHash-2-4 with the magic twice as its key."""
    key, = struct.unpack('<Q', MAGIC)
    a, b, c, d = (key ^ 0x736f6d6570736575, key ^ 0x646f72616e646f6d,
                  key ^ 0x6c7967656e657261, key ^ 0x7465646279746573)
    last = octets[len(octets) & ~7:].ljust(7, b'\0')
    whole = octets[:len(octets) & ~7] + last + bytes([len(octets) & 255])
    words = struct.unpack(f'<{len(whole) // 8}Q', whole)
    for number, word in enumerate(words + (0,)):
        is_end = number == len(words)
        if is_end:
            c ^= 255
        else:
            d ^= word
        for _ in range(4 if is_end else 2):
            a = (a + b) & MASK
            b = (b << 13 & MASK | b >> 51) ^ a
            a = a << 32 & MASK | a >> 32
            c = (c + d) & MASK
            d = (d << 16 & MASK | d >> 48) ^ c
            a = (a + d) & MASK
            d = (d << 21 & MASK | d >> 43) ^ a
            c = (c + b) & MASK
            b = (b << 17 & MASK | b >> 47) ^ c
            c = c << 32 & MASK | c >> 32
        if not is_end:
            a ^= word
    return a ^ b ^ c ^ d


def seal(octets):
    octets += struct.pack('<Q', len(octets) + 16)
    return octets + struct.pack('<Q', checksum(octets))


def bindings(servers, n, version=1):
    """<n> clients from 10.0.0.0 on, with each of <servers> in turn."""
    one = struct.Struct('<BBB4sQ')
    records = b''.join(
        one.pack(BINDING, number % len(servers), NO_SOURCE,
                 struct.pack('>I', (10 << 24) + number), 0)
        for number in range(n))
    head = MAGIC + struct.pack('<IIQIHHHH', version, n,
                               int(time.time() * 1000), len(records),
                               len(servers), 0, 0, 0)
    names = b''.join(name.encode().ljust(NAME_LEN, b'\0')
                     for name in servers)
    return seal(head + records + names)
