"""Copies of this process that run scripts, and what of them can be stopped."""
import os
import signal
import time

import pytest

from hpnet_plugin.reproduction import warm


def talk():
    print('own')
    print(os.environ['WORD'])
    os.system('echo child')


def fail():
    raise ValueError('why')


def last():
    print('begun', flush=True)
    time.sleep(600)


@pytest.fixture(autouse=True)
def nothing_to_import(monkeypatch):
    monkeypatch.setattr(warm, 'IMPORTED', ())


def test_output_and_status():
    """What it and its children print, in order, and how it ended."""
    process = warm.WarmProcess(talk, dict(WORD='given'))
    assert process.stdout.readlines() == [b'own\n', b'given\n', b'child\n']
    assert process.wait() == 0 and 'WORD' not in os.environ
    process = warm.WarmProcess(fail, {})
    assert process.stdout.readlines()[-1] == b'ValueError: why\n'
    assert process.wait() == 1


def test_it_can_be_stopped_at_once():
    """As a group, from the moment on that it is there."""
    process = warm.WarmProcess(last, {})
    assert os.getpgid(process.pid) == process.pid != os.getpgid(0)
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait() == -signal.SIGTERM


def test_script_and_words_are_those_of_mim():
    script, words = warm.script_of(
        ['mim', 'train', 'mmaction2', 'a.py', '--work-dir', 'w', '--seed',
         '1', '--cfg-options', 'x=1'])
    assert script.name == 'train.py' and script.is_file()
    assert words == ['a.py', '--launcher', 'none', '--work-dir', 'w',
                     '--seed', '1', '--cfg-options', 'x=1']
    script, words = warm.script_of(
        ['mim', 'test', 'mmaction2', 'a.py', '--checkpoint', 'e.pth',
         '--dump', 'd.pkl'])
    assert script.name == 'test.py' and script.is_file()
    assert words == ['a.py', 'e.pth', '--launcher', 'none', '--dump',
                     'd.pkl']
    with pytest.raises(ValueError, match='no script'):
        warm.script_of(['mim', 'install', 'mmaction2', 'x'])
