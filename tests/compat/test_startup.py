"""What every Python of an installation runs at its start."""
import os
import subprocess
import sys

import pytest

COUNT = """
import sys
before = set(sys.modules)
import hpnet_plugin_startup
import json, unittest, {more}
print(*sorted(name for name in set(sys.modules) - before
              if name.partition('.')[0] in ('hpnet_plugin', 'mmengine')))
"""


def python(root, program, **environment):
    return subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', program], cwd=root,
        env=os.environ | environment, check=True, capture_output=True,
        text=True).stdout.strip()


def test_other_programs_meet_nothing_of_it(root):
    assert python(root, COUNT.format(more='numpy, torch')) == ''


def test_it_costs_what_the_smallest_module_costs(root, tmp_path):
    program = """
import time
def cost(name):
    start = time.process_time()
    __import__(name)
    return time.process_time() - start
print(cost('hpnet_plugin_startup') / cost('colorsys'))
"""
    # the first run writes the bytecode that an installation has
    environment = dict(PYTHONPYCACHEPREFIX=str(tmp_path),
                       PYTHONDONTWRITEBYTECODE='')
    costs = [float(python(root, program, **environment)) for _ in range(9)]
    assert min(costs[1:]) < 4


@pytest.mark.slow
def test_stock_packages_import_whole_without_the_plugins_help(root):
    """The first one, too: its search began before the gaps' finder was there.
    """
    assert python(root, (
        'import gc, sys, numpy, hpnet_plugin_startup as startup\n'
        'gc.disable()\n'  # it takes a fifth of the time
        'assert not hasattr(numpy, "float")\n'
        'import mmaction\n'
        'print(numpy.float)\n'
        'import mmaction.models, mmpose.apis, mmdet.apis\n'
        'print(mmaction.models.BMN.__name__, '
        'startup.Watch in sys.meta_path)')) == \
        "<class 'float'>\nBMN False"
