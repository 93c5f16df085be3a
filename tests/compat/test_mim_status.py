"""mim's own traceback does not push the script's message off the screen."""
import subprocess
import sys

import pytest

PROGRAM = """
import sys
from subprocess import CalledProcessError
import hpnet_plugin
{imports}
raise CalledProcessError({status}, ['python', {script!r}, 'x.py'])
"""
TRAIN = '/x/mmaction/.mim/tools/train.py'


@pytest.mark.parametrize('imports, status, script, lines', [
    ('import mim.cli', 2, TRAIN, []),
    ('import mim.cli', 1, TRAIN, [f'mim: {TRAIN} ended with status 1; what '
                                  'it said stands above']),
    ('import mim.cli', 1, '/x/other.py', None),
    ('', 1, TRAIN, None),  # a program that is not the command mim
])
def test_last_words(imports, status, script, lines):
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM.format(
            imports=imports, status=status, script=script)],
        capture_output=True, text=True)
    assert done.returncode == 1
    if lines is None:
        assert 'Traceback' in done.stderr
    else:
        assert done.stderr.splitlines() == lines
