"""The command hpnet, and its thin callers in tools/."""
import runpy
import subprocess
import sys
from importlib import import_module

import pytest

from hpnet_plugin.cli import COMMANDS, main
from hpnet_plugin.version import __version__

# names of tools that are not those of their subcommand
TOOLS = {'convert_checkpoint': 'convert', 'model_cost': 'cost',
         'verify_store': 'verify'}
# tools that are no subcommands: for developers, or run without the package
OTHERS = ('audit', 'bill_of_materials', 'damage', 'doctor', 'soak',
          'soak_object_store', 'soak_ray', 'soak_store', 'soak_training',
          'stacking_across', 'train_tiny_pose', 'train', 'test', 'zoo')


def test_usage(capsys):
    assert main(['--help']) == 0
    text = capsys.readouterr().out
    assert all(f'\n  {name} ' in text for name in COMMANDS)
    assert main([]) == 2
    assert main(['--version']) == 0
    assert capsys.readouterr().out.endswith(f'hpnet_plugin {__version__}\n')


def test_as_a_module():
    assert subprocess.check_output(
        [sys.executable, '-m', 'hpnet_plugin.cli', '--version'],
        text=True) == f'hpnet_plugin {__version__}\n'


def test_a_wrong_name(capsys):
    assert main(['extrct', 'videos']) == 2
    assert "no command 'extrct'; closest: extract" in capsys.readouterr().err


def test_a_tool_calls_its_command(root):
    for path in (root / 'tools').glob('*.py'):
        if path.stem in OTHERS:
            continue
        command = TOOLS.get(path.stem, path.stem.replace('_', '-'))
        assert command in COMMANDS
        assert path.read_text().endswith(
            'from hpnet_plugin.cli import tool\n\n'
            f"main = tool(__name__, '{command}')\n")


def test_a_tool_that_is_run(root, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['x/verify_store.py', 'none'])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(root / 'tools/verify_store.py'),
                       run_name='__main__')
    assert end.value.code == 2
    assert capsys.readouterr().err == 'hpnet verify: none: no such folder\n'


def test_names_of_commands():
    """Messages call each what it is called by."""
    for name, module in COMMANDS.items():
        if name != 'doctor':  # run by its path, too
            assert import_module(f'hpnet_plugin.{module}').main.name == name


@pytest.mark.parametrize('words, text', [
    # tuple metavars of positionals end argparse's help in a traceback
    (['analyze', 'gains', 'a.pkl', '--out', 'x'], 'required: SECOND'),
    (['train'], 'required: NAME'),
    (['train', 'hp_j', '--bogus'], 'unrecognized arguments: --bogus'),
    (['test', 'run', '--dump', 'x.csv'], 'score dumps are .pkl files'),
])
def test_wrong_usage(words, text, capsys):
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert text in capsys.readouterr().err


@pytest.mark.parametrize('command', [
    name for name in COMMANDS if name != 'benchmark'])  # imports all of it
def test_help(command, capsys):
    """Says what each option does, and does nothing else."""
    with pytest.raises(SystemExit) as end:
        main([command, '--help'])
    assert end.value.code == 0
    said = capsys.readouterr()
    assert said.out.startswith(f'usage: hpnet {command}') and not said.err


def test_help_of_gains(capsys):
    with pytest.raises(SystemExit) as end:
        main(['analyze', 'gains', '--help'])
    assert end.value.code == 0
    assert 'FIRST SECOND' in capsys.readouterr().out


def test_a_weight_that_is_no_number(tmp_path, capsys):
    path = tmp_path / 'x.pkl'
    path.touch()
    assert main(['fuse', f'{path}:abc']) == 2
    assert f"the weight 'abc' of {path} is no number" in \
        capsys.readouterr().err


def test_a_device_that_is_not_there(capsys):
    assert main(['cost', 'hp_j', '--time', '--device', 'gpu']) == 2
    assert "device 'gpu' is unknown" in capsys.readouterr().err
