"""Names that numpy dropped, for stock code."""
import subprocess
import sys

# numpy 1.26 still has some of them, and names one as of old
PROGRAM = """
import numpy as np
if not hasattr(np, 'trapezoid'):
    np.trapezoid = np.trapz
for name in ('Inf', 'in1d', 'trapz'):
    if hasattr(np, name):
        delattr(np, name)
import hpnet_plugin
from hpnet_plugin.compat import numpy_names
assert numpy_names.needed() and not numpy_names.filled()
from mmaction.datasets.transforms import PoseCompact
assert numpy_names.needed() and numpy_names.filled()
assert np.in1d([1, 2], [2]).tolist() == [False, True]
assert np.trapz([0, 1]) == .5 and np.float is float
pose = dict(keypoint=np.array([[[[20., 30], [60, 40]]]]), img_shape=(90, 80))
print(PoseCompact(padding=1.)(pose)['img_shape'])
"""


def test_a_stock_transform_runs_without_np_inf(root):
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', PROGRAM],
                          cwd=root, capture_output=True, text=True)
    # people are 40 x 10 pixels around (40, 35), and as much again
    assert done.stdout.strip() == '(20, 80)', done.stderr
