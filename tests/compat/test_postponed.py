"""Imports of the toolbox that wait: not done, and nothing is missing."""
import subprocess
import sys

import pytest

HEADS = ('AVARoIHead', 'BBoxHeadAVA', 'SingleRoIExtractor3D', 'ACRNHead',
         'FBOHead', 'LFBInferHead', 'MaxIoUAssignerAVA')
LATER = f"""import sys
import hpnet_plugin.models, mmaction.datasets
heavy = ('mmdet', 'transformers', 'torchvision', 'torch._dynamo', 'sklearn',
         'scipy.stats')
print([name for name in heavy if name in sys.modules])
import mmaction.models, mmaction.models.roi_heads
for module in mmaction.models, mmaction.models.roi_heads:
    try:
        module.__all__
    except AttributeError as error:
        print(error)
print('mmdet' in sys.modules)
try:
    mmaction.models.Nothing
except AttributeError as error:
    print(error)
from mmaction.models import AVARoIHead, MaxIoUAssignerAVA
from mmaction.models.roi_heads import AVARoIHead as same
from mmdet.registry import MODELS, TASK_UTILS
assert AVARoIHead is same is MODELS.get('AVARoIHead')
assert MaxIoUAssignerAVA is TASK_UTILS.get('MaxIoUAssignerAVA')
for name in {HEADS}:
    assert getattr(mmaction.models, name).__name__ == name
import torch
from mmengine.optim.optimizer import builder
from mmengine.registry import OPTIMIZERS
assert builder.TRANSFORMERS_OPTIMIZERS == ['Adafactor']
weight = torch.nn.Parameter(torch.ones(2))
optimizer = OPTIMIZERS.build(dict(type='Adafactor', params=[weight]))
import transformers
assert type(optimizer) is transformers.Adafactor
from mmaction.datasets.transforms import pose_transforms
assert pose_transforms.mode([3, 5, 5, 2]).mode == 5
import scipy.stats
assert scipy.stats.mode.__module__.startswith('scipy.')
"""
BY_THE_REGISTRY = """
import sys
from mmengine.registry import init_default_scope
init_default_scope('mmaction')
from mmaction.registry import MODELS, TASK_UTILS
assert MODELS.get('CTRGCN')
print('mmdet' in sys.modules)
pool = MODELS.build(dict(type='mmdet.SingleRoIExtractor3D',
                         roi_layer_type='RoIAlign', output_size=8))
print(type(pool).__module__)
print(TASK_UTILS.get('mmdet.MaxIoUAssignerAVA').__module__)
"""
MMDET_FIRST = """
import mmdet.models
import mmaction.models
print('AVARoIHead' in vars(mmaction.models))
print('AVARoIHead' in mmdet.registry.MODELS.module_dict)
"""
PROGRAMS = LATER, BY_THE_REGISTRY, MMDET_FIRST
# What all of them need is imported once; each is a child of that process.
START = """
import gc, os, sys
gc.disable()
import hpnet_plugin
import mmengine.runner, mmcv, mmaction.registry
for number, code in enumerate({codes!r}):
    sys.stdout.flush()
    if not os.fork():
        with open('{folder}/' + str(number), 'w') as sys.stdout:
            exec(code, {{}})
        os._exit(0)
    assert not os.wait()[1], number
"""


@pytest.fixture(scope='module')
def printed(tmp_path_factory):
    """What each of the programs below prints, in a process of its own."""
    folder = tmp_path_factory.mktemp('postponed')
    code = START.format(codes=PROGRAMS, folder=folder)
    subprocess.run([sys.executable, '-W', 'ignore', '-c', code], check=True)
    return [(folder / str(number)).read_text().splitlines()
            for number in range(len(PROGRAMS))]


@pytest.mark.slow
def test_nothing_is_imported_that_no_stream_needs(printed):
    """And then all of it is there, under the names it always had."""
    assert printed[0][:5] == [
        '[]', "module 'mmaction.models' has no attribute '__all__'",
        "module 'mmaction.models.roi_heads' has no attribute '__all__'",
        'False', "module 'mmaction.models' has no attribute 'Nothing'"]


def test_configs_of_detectors_find_the_heads(printed):
    """By mmdet's registry, which nobody had asked before."""
    assert printed[1] == [
        'False', 'mmaction.models.roi_heads.roi_extractors.'
        'single_straight3d', 'mmaction.models.task_modules.assigners.'
        'max_iou_assigner_ava']


def test_mmdet_first(printed):
    """Then there is nothing to wait for."""
    assert printed[2] == ['True', 'True']
