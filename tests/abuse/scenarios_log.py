"""Readers of the log that stall or go away, disks that are full."""
import fcntl
import os
import time

import rpc
from world import VIP, check, run, scenario, until

F_SETPIPE_SZ = 1031


def talk(here, n):
    """Write a few lines of log."""
    for _ in range(n):
        rpc.port_of(VIP, '127.0.4.1')


def start_on_pipe(here):
    """The daemon's standard error is a pipe; its reading end."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, F_SETPIPE_SZ, 4096)
    here.settings['balancer']['threads'] = '1'
    here.sim('cas1')
    here.start('cas1', stderr=writer)
    os.close(writer)
    until(lambda: attempt_is_served(here), 'it serves')
    here.idle_descriptors = here.descriptors()
    return reader


def attempt_is_served(here):
    try:
        return rpc.port_of(VIP, here.abuser())
    except (OSError, rpc.Gone):
        return None


def read_until(reader, word, seconds=10):
    """Everything until <word> comes."""
    os.set_blocking(reader, False)
    octets = b''
    end = time.monotonic() + seconds
    while word not in octets and time.monotonic() < end:
        try:
            octets += os.read(reader, 1 << 16)
        except BlockingIOError:
            time.sleep(0.01)
    return octets


def begin_neighbours(here):
    """Nothing tells of them but themselves."""
    here.lines = lambda *args, **fields: [1] * 100
    here.neighbours()
    del here.lines


@scenario
def log_reader_stalls(here):
    reader = start_on_pipe(here)
    begin_neighbours(here)
    with here.case('it goes on serving'):
        talk(here, 2000)  # more lines than a ring holds
        here.are_well()
    with here.case('what was dropped is counted when it is read again'):
        seen = read_until(reader, b'event=log-dropped')
        at = seen.find(b'event=log-dropped')
        check(at > 0, 'no line says log-dropped')
        dropped = seen[at:].split()[1]
        check(int(dropped.split(b'=')[1]) > 0, f'{dropped}')
    with here.case('it writes on'):
        read_until(reader, b'\0', 0.3)
        talk(here, 1)
        check(b'event=close' in read_until(reader, b'event=close'),
              'no line came')
    here.end_neighbours()
    os.close(reader)


@scenario
def log_reader_stalls_for_ever(here):
    reader = start_on_pipe(here)
    with here.case('it still ends when told to', all_well=False):
        talk(here, 300)
        here.finish_daemon()
    os.close(reader)


@scenario
def log_reader_goes_away(here):
    reader = start_on_pipe(here)
    begin_neighbours(here)
    with here.case('it goes on serving'):
        os.close(reader)
        talk(here, 300)


def start_on_full_disk(here):
    disk = os.path.join(here.folder, 'disk')
    os.mkdir(disk)
    run('mount', '-t', 'tmpfs', '-o', 'size=64k', 'none', disk)
    here.settings['balancer']['log'] = os.path.join(disk, 'log')
    here.sim('cas1')
    here.start('cas1', wait=False)
    here.log_path = os.path.join(disk, 'log')
    here.wait_log('ready')
    return disk


@scenario
def log_disk_full(here):
    disk = start_on_full_disk(here)
    here.neighbours()
    with here.case('it goes on serving'):
        talk(here, 600)
        check(os.path.getsize(here.log_path) <= 64 << 10, 'not full')
        here.are_well()
    with here.case('what was lost is counted when there is room again'):
        run('mount', '-o', 'remount,size=4m', disk)
        talk(here, 5)
        until(lambda: here.lines('log-dropped'), 'a line says log-dropped')
    with here.case('no line is torn'):
        with open(here.log_path) as file:
            torn = [line for line in file
                    if line.count('event=') > 1 or not line.strip()]
        check(not torn, f'{torn[:3]}')
    here.end_neighbours()
    here.finish_daemon()
    run('umount', '-l', disk)
