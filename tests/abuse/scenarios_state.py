"""State files that are damaged, cannot be written, or were being written."""
import os
import shutil
import signal
import time

import rpc
import state
from world import VIP, check, run, scenario, until

CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2
MANY = 100000


def path_of(here):
    return here.settings['balancer']['state-file']


def stop(here):
    here.daemon.kill(signal.SIGTERM)
    check(here.daemon.wait() == 0, 'exit status')
    here.no_report()


def write(path, octets):
    with open(path, 'wb') as file:
        file.write(octets)


def cut(path, whole):
    write(path, whole[:len(whole) // 2])


def cut_by_one(path, whole):
    write(path, whole[:-1])


def flip(path, whole):
    at = len(whole) // 3
    write(path, whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1:])


def another_version(path, whole):
    write(path, state.bindings(['cas1'], 10, version=2))


def wild_counts(path, whole):
    """Sealed well, but what it says of itself is not so."""
    front = bytearray(whole[:-16])
    front[12:16] = b'\xff\xff\xff\x7f'
    write(path, state.seal(bytes(front)))


def fifo(path, whole):
    os.mkfifo(path)


def loop(path, whole):
    os.symlink(path, path)


def unreadable(path, whole):
    write(path, whole)
    os.chmod(path, 0)


def large(path, whole):
    write(path, b'')
    os.truncate(path, 200 << 20)


DAMAGES = {
    'cut in the middle': cut,
    'cut by one octet': cut_by_one,
    'with a bit flipped': flip,
    'of another version': another_version,
    'with wild counts': wild_counts,
    'that is empty': lambda path, whole: write(path, b''),
    'that is large and all zeros': large,
    'that is a pipe': fifo,
    'that is a link to itself': loop,
    'that may not be read': unreadable,
}


def remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


@scenario
def damaged_state(here):
    here.sim('cas1')
    here.start('cas1')
    rpc.port_of(VIP, here.abuser())
    path = path_of(here)
    stop(here)
    with open(path, 'rb') as file:
        whole = file.read()
    for what, damage in DAMAGES.items():
        with here.case(f'a file {what} is set aside, clients are served',
                       all_well=False):
            for name in path, path + '.damaged':
                remove(name)
            damage(path, whole)
            here.start(without=(CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH))
            here.wait_log('state-damaged')
            check(os.path.lexists(path + '.damaged'), 'it is not kept')
            rpc.port_of(VIP, here.abuser())
            stop(here)
            here.start()
            here.wait_log('state-read')
            check(not here.lines('state-damaged'), 'damaged again')
            stop(here)
    with here.case('a folder of that name stays where it is',
                   all_well=False):
        remove(path)
        os.mkdir(path)
        here.start()
        here.wait_log('state-file-unusable')
        check(os.path.isdir(path), 'it was renamed')
        stop(here)
        remove(path)
    here.start()
    here.neighbours()


@scenario
def state_cannot_be_written(here):
    disk = os.path.join(here.folder, 'disk')
    os.mkdir(disk)
    run('mount', '-t', 'tmpfs', '-o', 'size=64k', 'none', disk)
    here.settings['balancer']['state-file'] = os.path.join(disk, 'state')
    here.sim('cas1')
    here.start('cas1')
    here.neighbours()
    path = path_of(here)
    until(lambda: os.path.exists(path), 'it is written')
    ballast = os.path.join(disk, 'ballast')
    with here.case('the disk is full: a line says so, the file is whole'):
        with open(path, 'rb') as file:
            before = file.read()
        try:
            write(ballast, bytes(1 << 20))
        except OSError:
            pass
        here.wait_log('state-unwritten')
        with open(path, 'rb') as file:
            after = file.read()
        check(after in (before, state.seal(after[:-16])), 'it is damaged')
        check(len(here.lines('state-unwritten')) < 3, 'it says so for ever')
    with here.case('with room again it is written'):
        since = here.mark()
        os.unlink(ballast)
        here.wait_log('state-written', since)
    with here.case('removed while it runs: it is there again'):
        os.unlink(path)
        until(lambda: os.path.exists(path), 'it is written')
    with here.case('a folder in its place: said, and no end'):
        since = here.mark()
        os.unlink(path)
        os.mkdir(path)
        here.wait_log('state-unwritten', since)
        os.rmdir(path)
        here.wait_log('state-written', since)
    here.end_neighbours()
    here.finish_daemon()
    run('umount', '-l', disk)


def start_and_read(here, n):
    began = time.monotonic()
    here.start()
    took = time.monotonic() - began
    check(not here.lines('state-damaged'), 'it was damaged')
    line = here.wait_log('state-read')
    check(int(line['bindings']) >= n, f'{line}')
    return took


@scenario
def many_bindings(here):
    names = ['cas1', 'cas2']
    here.settings['affinity'].update({'entries': '200000', 'timeout': '1h'})
    for name in names:
        here.sim(name)
        here.servers[name] = here.address(name)
    path = path_of(here)
    write(path, state.bindings(names, MANY))
    with here.case(f'{MANY} bindings are read at once'):
        took = start_and_read(here, MANY)
        check(took < (1 if not here.is_asan else 4), f'in {took:.1f} s')
    with here.case('kill -9 while the file is written: it is whole'):
        for _ in range(4):
            since = os.stat(path).st_mtime_ns
            until(lambda: os.path.exists(path + '.new')
                  or os.stat(path).st_mtime_ns != since, 'it is written')
            here.daemon.kill(signal.SIGKILL)
            here.daemon.wait()
            start_and_read(here, MANY)
    with here.case('a file half written before is no harm'):
        here.daemon.kill(signal.SIGKILL)
        here.daemon.wait()
        write(path + '.new', bytes(1000))
        start_and_read(here, MANY)
    here.neighbours()
