"""Processes that take an item each: order, failures, crashes, hangs."""
import errno
import faulthandler
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from noted import Noted

from hpnet_plugin.extraction.watch import Watch, Watches
from hpnet_plugin.extraction.workers import (
    ATTEMPTS,
    Failure,
    Here,
    SetupError,
    Workers,
)


def crash():
    faulthandler.disable()  # its report would fill the test's
    os.kill(os.getpid(), signal.SIGSEGV)


def doing(work):
    """build() of processes that do this with an item."""
    return lambda number: (work, f'ready {number}')


def run(work, items, count=2, timeout=60, watch=None):
    with Workers(doing(work), count, timeout) as workers:
        return list(workers.run(items, watch or Watch()))


def run_here(work, items, watch=None):
    with Here(doing(work)) as here:
        assert here.told == 'ready 0'
        return list(here.run(items, watch or Watch()))


def test_results_come_in_the_order_of_the_items():
    def slow_first(item, report):
        time.sleep(.2 if item == 0 else 0)
        report(item)
        return item * 10, os.getpid()

    noted = Noted()
    found = run(slow_first, range(20), watch=Watches([noted]))
    assert [(item, value[0]) for item, value in found] == [
        (i, 10 * i) for i in range(20)]
    assert len({pid for _, (_, pid) in found}) == 2
    assert sorted(noted.of('progress')) == list(range(20))
    assert {worker for _, worker, _ in noted.told} == {'0', '1'}


def test_what_is_ahead_of_a_slow_item_is_bounded(tmp_path):
    """One item takes long: the others do not pile up behind it."""
    def work(item, report):
        if item == 0:
            while len(list(tmp_path.iterdir())) < 7:
                time.sleep(.01)
            time.sleep(.3)
        else:
            (tmp_path / str(item)).touch()
        return len(list(tmp_path.iterdir()))

    found = run(work, range(40))
    assert found[0] == (0, 7)  # 2 processes, 4 items each, without itself
    assert len(found) == 40


def test_an_item_that_raises_fails_alone():
    def work(item, report):
        if item == 3:
            raise ValueError('three is bad')
        if item == 4:
            raise ZeroDivisionError
        return item

    for do in run, run_here:
        noted = Noted()
        assert dict(do(work, range(6), watch=noted)) == {
            0: 0, 1: 1, 2: 2, 3: Failure('three is bad'),
            4: Failure('ZeroDivisionError'), 5: 5}
        assert sorted(noted.of('began')) == list(range(6))
        assert sorted(noted.of('ended')) == [(i, i in (3, 4))
                                             for i in range(6)]
        assert not noted.of('lost')


def test_an_item_that_kills_its_process_fails_alone(tmp_path):
    def work(item, report):
        if item == 2:
            with open(tmp_path / 'tries', 'a') as file:
                file.write('x')
            crash()
        if item == 4:
            os._exit(7)
        return item

    found = dict(run(work, range(8)))
    assert 'was ended by SIGSEGV, 3 times' in found[2].reason
    assert 'ended with status 7' in found[4].reason
    assert {i: found[i] for i in (0, 1, 3, 5, 6, 7)} == {
        i: i for i in (0, 1, 3, 5, 6, 7)}
    assert (tmp_path / 'tries').read_text() == 'x' * ATTEMPTS


def test_a_process_killed_from_outside_costs_nothing(tmp_path):
    """The item is innocent: it is tried again, and done."""
    def work(item, report):
        mark = tmp_path / str(item)
        if item % 3 == 0 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return item

    noted = Noted()
    assert run(work, range(12), watch=noted) == [(i, i) for i in range(12)]
    assert noted.of('lost') == ['was ended by SIGKILL'] * 4
    assert len(noted.of('began')) == 16
    assert len(noted.of('ended')) == 12


def test_an_item_that_hangs_fails_alone():
    def work(item, report):
        if item == 1:
            signal.pause()
        if item == 2:  # gets on, if slowly
            for _ in range(16):
                time.sleep(.25)
                report(1)
        return item

    found = dict(run(work, range(4), timeout=3))
    assert 'no progress for 3 s' in found[1].reason
    assert [found[i] for i in (0, 2, 3)] == [0, 2, 3]


def test_who_was_stopped_does_not_hang():
    """Ctrl-Z stops all processes; after it they go on."""
    def work(item, report):
        for _ in range(10):
            time.sleep(.1)
            report(1)
        return item

    pid = os.fork()
    if not pid:
        os.setpgid(0, 0)
        done = run(work, range(4), timeout=3) == [(i, i) for i in range(4)]
        os._exit(not done)
    time.sleep(1)
    os.killpg(pid, signal.SIGSTOP)
    time.sleep(6)
    os.killpg(pid, signal.SIGCONT)
    assert os.waitpid(pid, 0)[1] == 0


def test_processes_that_cannot_be_built():
    def build(number):
        raise FileNotFoundError('no weights here')

    with pytest.raises(SetupError, match='no weights here'):
        Workers(build, 2)

    with pytest.raises(SetupError, match='SIGSEGV while it loaded the nets'):
        Workers(lambda number: crash(), 2)


def test_a_full_disk_ends_all():
    def work(item, report):
        raise OSError(errno.ENOSPC, 'no space for it')

    for runner in (lambda: run(work, range(4)),
                   lambda: run_here(work, range(4))):
        with pytest.raises(OSError, match='no space for it') as raised:
            runner()
        assert raised.value.errno == errno.ENOSPC


def test_processes_end_with_the_main_one(tmp_path):
    """SIGKILL leaves it no time to end them."""
    code = textwrap.dedent("""
        import os, sys, time
        from hpnet_plugin.extraction.watch import Watch
        from hpnet_plugin.extraction.workers import Workers
        def build(number):
            open(os.path.join(sys.argv[1], str(os.getpid())), 'w').close()
            return lambda item, report: time.sleep(.05), None
        with Workers(build, 3) as workers:
            print('ready', flush=True)
            for _ in workers.run(iter(int, 1), Watch()):
                pass
        """)
    process = subprocess.Popen([sys.executable, '-c', code, str(tmp_path)],
                               stdout=subprocess.PIPE)
    process.stdout.readline()
    # the first to be ready is not the last to have started
    while len(pids := [int(p.name) for p in tmp_path.iterdir()]) < 3:
        time.sleep(.05)
    process.kill()
    process.wait()
    while any(map(running, pids)):  # a hang here is what the test is about
        time.sleep(.05)


def running(pid):
    try:
        with open(f'/proc/{pid}/stat') as file:
            return file.read().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False


def test_failing_items_leave_nothing_behind():
    """200 failures: as many threads and open files as after one."""
    def work(item, report):
        if item % 2:
            raise ValueError('odd')
        return len(os.listdir('/proc/self/fd')), len(
            os.listdir('/proc/self/task'))

    found = [value for _, value in run(work, range(400), count=1)
             if not isinstance(value, Failure)]
    assert set(found[1:]) == {found[0]} and len(found) == 200
