"""Workers on Ray: order, failures, crashes, hangs, who comes and goes."""
import contextlib
import errno
import fcntl
import filecmp
import importlib.util
import os
import signal
import sys
import time

import pytest
from noted import Noted

from hpnet_plugin.commands import extract
from hpnet_plugin.demo import people
from hpnet_plugin.extraction import ray_cluster
from hpnet_plugin.extraction.ray_cluster import RayCluster, import_ray
from hpnet_plugin.extraction.ray_pool import RayWorkers
from hpnet_plugin.extraction.watch import Watch
from hpnet_plugin.extraction.workers import Failure, SetupError
from hpnet_plugin.store import FeatureStore

CPUS = 2


@pytest.fixture(scope='module')
def cluster():
    """Ray on this computer, which all tests here use."""
    if not importlib.util.find_spec('ray'):  # which asks for the token first
        pytest.skip('no Ray')
    found = RayCluster(cpus=CPUS)
    yield found
    found.close()
    assert not found.ray.is_initialized()


def test_items_fail_alone_and_results_are_in_order(cluster, tmp_path):
    """One raises, one crashes, one hangs, and one is innocently killed."""
    def build(number):
        def work(item, report):
            mark = tmp_path / f'{item}'
            with open(mark, 'a') as file:
                file.write('x')
            if item == 0:
                time.sleep(.3)
            if item == 2:
                raise ValueError('two is bad')
            if item == 3:
                os._exit(7)
            if item == 4:  # hangs, and would get on at last
                time.sleep(60)
            if item == 5 and mark.read_text() == 'x':
                os.kill(os.getpid(), signal.SIGKILL)
            if item == 6:  # gets on, if slowly
                for _ in range(20):
                    time.sleep(.25)
                    report(2)
            report(1)
            return item * 10
        return work, 'told'

    noted = Noted()
    with RayWorkers(build, 2, timeout=4, demand=True) as workers:
        assert workers.told == 'told'
        found = list(workers.run(range(12), noted))
    assert [item for item, _ in found] == list(range(12))
    values = dict(found)
    assert values.pop(2) == Failure('two is bad')
    assert values.pop(3) == Failure('the process that worked on it died, '
                                    '3 times in a row')
    assert 'no progress for 4 s' in values.pop(4).reason
    assert values == {i: i * 10 for i in (0, 1, *range(5, 12))}
    tries = {path.name: len(path.read_text()) for path in tmp_path.iterdir()}
    assert tries == {**{str(i): 1 for i in range(12)}, '3': 3, '5': 2}
    assert len(noted.of('began')) == 15
    assert sorted(noted.of('ended')) == [
        (i, i in (2, 3, 4)) for i in range(12)]
    assert len(noted.of('lost')) == 5
    assert sum(noted.of('progress')) == 9 + 40
    # a worker is named after its machine
    host = os.uname().nodename
    assert {worker for _, worker, _ in noted.told} == {
        f'{host}/0', f'{host}/1'}


def test_who_becomes_ready_midway_takes_items(cluster, tmp_path):
    """There is room for one, until somebody else leaves."""
    ray = cluster.ray
    guest = ray.remote(num_cpus=CPUS - 1)(type('Guest', (), {})).remote()
    ray.get(guest.__ray_ready__.remote())

    def build(number):
        def work(item, report):
            # the rest waits for a second worker
            while item and len(list(tmp_path.iterdir())) < 2:
                time.sleep(.05)
            return number
        (tmp_path / str(number)).touch()
        return work, None

    noted = Noted()
    with RayWorkers(build, CPUS) as workers:
        results = workers.run(range(8), noted)
        first = next(results)
        assert len(list(tmp_path.iterdir())) == 1
        ray.kill(guest)
        found = [first, *results]
    assert [item for item, _ in found] == list(range(8))
    assert {number for _, number in found} == {0, 1}


def test_what_cannot_be_built(cluster):
    def build(number):
        raise FileNotFoundError('no weights here')

    with pytest.raises(SetupError, match='no weights here'):
        RayWorkers(build, 1)


def test_a_worker_that_makes_other_features_is_not_used(cluster, capsys):
    """As where its machine has other weights."""
    def build(number):
        return lambda item, report: (time.sleep(.2), number)[1], number

    with RayWorkers(build, 2, demand=True) as workers:
        found = [value for _, value in workers.run(range(30), Watch())]
    assert len(set(found)) == 1
    assert 'its features would differ' in capsys.readouterr().err


def test_a_full_disk_ends_all(cluster):
    def build(number):
        def work(item, report):
            raise OSError(errno.ENOSPC, 'no space for it')
        return work, None

    with RayWorkers(build, 1) as workers, \
            pytest.raises(OSError, match='no space for it') as raised:
        list(workers.run(range(4), Watch()))
    assert raised.value.errno == errno.ENOSPC


def test_room_for_workers(cluster):
    """Each needs a CPU, and its share of a GPU."""
    gpus = cluster.ray.cluster_resources().get('GPU', 0)
    assert cluster.room(0.) == CPUS
    assert cluster.room(.5) == min(CPUS, 2 * gpus)


def test_the_store_of_a_single_process(cluster, tmp_path, monkeypatch):
    """Byte for byte, with paths that are relative to where we are."""
    monkeypatch.chdir(tmp_path)
    os.mkdir('videos')
    for i in range(3):
        clip = people.make_clip(i, 0, length=5 + i)
        people.save_video(f'videos/c{i}.mp4', clip.frames)
    with open('videos/c9.mp4', 'wb') as file:
        file.write(b'no video')
    common = ['videos', '--pose', 'tiny', '--detector', 'frame', '--out']
    assert extract.main([*common, 'alone', '--workers', '0']) == 3
    assert extract.main([*common, 'ray', '--launcher', 'ray']) == 3
    names = [os.path.relpath(os.path.join(folder, name), 'alone')
             for folder, _, files in os.walk('alone') for name in files
             if not name.endswith(('.lock', '.log'))]
    assert 'failures.jsonl' in names
    same, differ, errors = filecmp.cmpfiles('alone', 'ray', names, False)
    assert not errors and set(differ) <= {'extraction.json'}
    assert len(FeatureStore('ray/features')) == 3


def test_ray_is_absent(monkeypatch):
    monkeypatch.setitem(sys.modules, 'ray', None)
    with pytest.raises(SetupError, match=r'hpnet-plugin\[ray\]'):
        import_ray()


def test_folders_of_killed_runs_are_removed(tmp_path, monkeypatch):
    """Those of runs that are alive stay."""
    monkeypatch.setattr(ray_cluster, 'LONGEST', 1000)
    monkeypatch.setattr(ray_cluster.tempfile, 'gettempdir',
                        lambda: str(tmp_path))
    for name in 'dead', 'alive':
        folder = tmp_path / f'{ray_cluster.FOLDER}{name}'
        (folder / 'session').mkdir(parents=True)
        (folder / ray_cluster.LOCK).touch()
    with contextlib.ExitStack() as stack:
        lock = stack.enter_context(open(folder / ray_cluster.LOCK))
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = stack.enter_context(ray_cluster._folder())
        assert sorted(os.listdir(tmp_path)) == sorted(
            [folder.name, os.path.basename(path)])
        assert os.listdir(folder) != ['lock']
    assert os.listdir(tmp_path) == [folder.name]
