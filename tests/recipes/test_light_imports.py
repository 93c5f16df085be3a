"""Configs are composed without torch, mmaction2 or the store."""
import subprocess
import sys

CODE = """
import sys
from hpnet_plugin.recipes import compose
from hpnet_plugin.recipes import checks, inputs
compose('hpnet')
print(sorted({'torch', 'mmaction', 'mmengine', 'cv2'} & set(sys.modules)))
import hpnet_plugin.runner
print(sorted(name for name in sys.modules if name.startswith(
    ('hpnet_plugin.store', 'hpnet_plugin.estimation',
     'hpnet_plugin.extraction', 'hpnet_plugin.models'))))
"""


def test_what_is_imported(root):
    done = subprocess.run([sys.executable, '-c', CODE], cwd=root, text=True,
                          capture_output=True, check=True)
    assert done.stdout.split('\n')[:2] == ['[]', '[]']
