"""The gaps are filled before a test file here imports what has them."""
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import hpnet_plugin  # noqa: F401

SITE = Path(sysconfig.get_path('purelib'))


@pytest.fixture
def run_without(root, tmp_path):
    """Run a program where some installed modules are not installed.

    The program finds links to everything else that is installed here.
    """

    def run(absent, program, *args, startup=True, **options):
        site = tmp_path / 'site'
        site.mkdir(exist_ok=True)
        for path in SITE.iterdir():
            name = path.name.partition('.')[0].partition('-')[0]
            link = site / path.name
            if name not in absent and path.suffix != '.pth' \
                    and not link.exists():
                link.symlink_to(path)
        text = 'import hpnet_plugin_startup\n' * startup + program
        return subprocess.run(
            [sys.executable, '-S', '-W', 'ignore', '-c', text, *args],
            env=dict(os.environ, PYTHONPATH=f'{site}:{root}'),
            capture_output=True, text=True, **options)

    return run
