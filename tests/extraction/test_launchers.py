"""Which part of the clips is whose, by what a launcher says."""
import os
import re

import pytest

from hpnet_plugin.commands import extract
from hpnet_plugin.demo import people
from hpnet_plugin.extraction.launchers import LauncherError, Rank
from hpnet_plugin.store import FeatureStore, verify

SLURM = dict(SLURM_PROCID='1', SLURM_NTASKS='4', SLURM_LOCALID='0')


def test_what_slurm_and_torchrun_say():
    assert Rank.read('slurm', SLURM) == (1, 4, 0)
    assert Rank.read('pytorch', dict(
        RANK='2', WORLD_SIZE='3', LOCAL_RANK='1')) == (2, 3, 1)


@pytest.mark.parametrize('change, problem', [
    (dict(SLURM_NTASKS=None), 'SLURM_NTASKS is not set: .* srun'),
    (dict(SLURM_LOCALID='-1'), "SLURM_LOCALID is '-1'; a number"),
    (dict(SLURM_PROCID='4'), 'SLURM_PROCID is 4, but there are 4 processes'),
])
def test_what_makes_no_sense(change, problem):
    environ = {key: value for key, value in {**SLURM, **change}.items()
               if value is not None}
    with pytest.raises(LauncherError, match=problem):
        Rank.read('slurm', environ)


def test_devices_of_a_machine_are_shared():
    found = [Rank(rank, 6, rank % 3).device(['cuda:0', 'cuda:2'])
             for rank in range(6)]
    assert found == ['cuda:0', 'cuda:2', 'cuda:0'] * 2
    assert Rank(3, 4, 1).device(['cpu']) == 'cpu'


@pytest.mark.parametrize('words, problem', [
    (('--launcher', 'slurm', '--shard', '1/2'), 'name one of them'),
    (('--address', 'auto'), 'for --launcher ray'),
    (('--gpus-per-worker', '1.5'), 'a part of one'),
    (('--launcher', 'ray', '--workers', '0'), '1 worker or more'),
    (('--launcher', 'ray', '--address', 'ray://a:1'), 'HOST:PORT or auto'),
    (('--launcher', 'ray', '--device', 'cuda:0,cuda:1'), 'name cuda'),
    (('--launcher', 'pytorch'), 'RANK is not set: .* torchrun'),
])
def test_options_that_do_not_fit(words, problem, capsys, monkeypatch):
    monkeypatch.delenv('RANK', raising=False)
    with pytest.raises(SystemExit):
        extract.main(['videos', '--out', 'out', *words])
    assert re.search(problem, ' '.join(capsys.readouterr().err.split()))


def test_shares_of_gpus():
    parse = extract.main.parse
    ray = ['videos', '--out', 'out', '--launcher', 'ray']
    assert parse(ray).gpus_per_worker is None
    assert parse([*ray, '--device', 'cuda']).gpus_per_worker == .25
    args = parse([*ray, '--gpus-per-worker', '0.5'])
    assert (args.device, args.gpus_per_worker) == ('cuda', .5)


def start(environ, arguments, log):
    """A process with these variables that extracts; its number."""
    pid = os.fork()
    if pid:
        return pid
    status = 70
    try:
        fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(fd, 1)
        os.dup2(fd, 2)
        os.environ.update(environ)
        status = extract.main(arguments)
    finally:
        os._exit(status)


def test_two_processes_fill_one_folder(tmp_path):
    """As torchrun starts them, at the same time."""
    os.mkdir(tmp_path / 'videos')
    for i in range(4):
        clip = people.make_clip(i, 0, length=5)
        people.save_video(str(tmp_path / f'videos/c{i}.mp4'), clip.frames)
    out = tmp_path / 'out'
    pids = [start(
        dict(RANK=str(rank), WORLD_SIZE='2', LOCAL_RANK=str(rank)),
        [str(tmp_path / 'videos'), '--pose', 'tiny', '--detector', 'frame',
         '--workers', '0', '--launcher', 'pytorch', '--out', str(out)],
        tmp_path / 'log') for rank in range(2)]
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0, 0], (
        tmp_path / 'log').read_text()
    store = FeatureStore(str(out / 'features'))
    assert sorted(store.names) == ['c0', 'c1', 'c2', 'c3']
    assert not verify(str(out / 'features'))
    shards = {path.name.split('-')[0]
              for path in (out / 'features').glob('*of2-*')}
    assert shards == {'1of2', '2of2'}
