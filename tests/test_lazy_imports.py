"""What is imported for nothing, and that the registries find all the same."""
import subprocess
import sys

import pytest

from hpnet_plugin.cli import COMMANDS

HEAVY = ('torch', 'mmaction', 'mmengine', 'mmcv', 'mmpose', 'mmdet', 'cv2',
         'scipy', 'matplotlib', 'sklearn', 'open_clip', 'transformers')


LIGHT = (
    'hpnet_plugin', 'hpnet_plugin.store', 'hpnet_plugin.evaluation',
    'hpnet_plugin.evaluation.fusion', 'hpnet_plugin.datasets.preparation',
    'hpnet_plugin.evaluation.calibration', 'hpnet_plugin.apis.trained',
    'hpnet_plugin.apis.media', 'hpnet_plugin.apis.live',
    'hpnet_plugin.recipes', 'hpnet_plugin.recipes.checks',
    'hpnet_plugin.recipes.inputs', 'hpnet_plugin.cli',
    'hpnet_plugin.apis.inputs', 'hpnet_plugin.apis.onnx_scorer',
    'hpnet_plugin.graph')


def run(code, *absent):
    """What a new process prints; it ends before garbage is of interest.

    Packages that are ``absent`` are as if they were not installed.
    """
    return subprocess.run(
        [sys.executable, '-W', 'ignore', '-c',
         'import gc, sys; gc.disable()\n'
         f'sys.modules.update(dict.fromkeys({absent}))\n{code}'],
        capture_output=True, text=True, check=True).stdout.splitlines()


def test_imports_need_no_stock_package():
    """Nor does composing a config; each is the first that would need it."""
    assert run(f"""
import sys
from importlib import import_module
for name in {LIGHT!r}:
    import_module(name)
    found = [heavy for heavy in {HEAVY!r} if heavy in sys.modules]
    assert not found, (name, found)
from hpnet_plugin.recipes import compose
compose('hpnet')
print([heavy for heavy in {HEAVY!r} if heavy in sys.modules])
""") == ['[]']


def test_help_needs_no_stock_package():
    """Of all commands in one process, each as the console script does it."""
    assert run(f"""
import contextlib, io, sys
from hpnet_plugin.cli import main
for name in {sorted(COMMANDS)!r}:
    with contextlib.redirect_stdout(io.StringIO()) as text:
        try:
            main([name, '--help'])
        except SystemExit as end:
            assert end.code == 0, name
    assert f'usage: hpnet {{name}}' in text.getvalue(), name
    found = [heavy for heavy in {HEAVY!r} if heavy in sys.modules]
    assert not found, (name, found)
""") == []


FIND = """
import sys
found = dict(
    MODELS=['CTRGCN', 'XCLIPVision', 'CLIPText', 'TRMM', 'XCLIPRecognizer'],
    TRANSFORMS=['LoadPooledFeature', 'GenPooledStream', 'LoadPersonCrops'],
    DATASETS=['PooledDataset'], METRICS=['PerClassAccuracy'],
    RUNNERS=['CheckedRunner'], OPTIM_WRAPPER_CONSTRUCTORS=['FlatDecayFree'])
for registry, names in found.items():
    for name in names:
        kind = getattr(registries, registry).get(name)
        assert kind.__module__.startswith('hpnet_plugin.'), name
# imported when a tower is built, a detector, a net is compiled
print(*{'open_clip', 'timm', 'mmdet', 'transformers', 'torchvision'}
      & set(sys.modules))
"""


@pytest.mark.slow
def test_registries_find_what_nobody_imported():
    """First by a scope, as a config builds it: from mmengine's root."""
    assert run("""
import sys
import hpnet_plugin.runner
print(*sorted(name for name in sys.modules if name.startswith(
    ('hpnet_plugin.store', 'hpnet_plugin.estimation',
     'hpnet_plugin.extraction', 'hpnet_plugin.models'))))
from mmengine.registry import MODELS, DefaultScope
with DefaultScope.overwrite_default_scope('mmaction'):
    net = MODELS.build(dict(type='CTRGCN', in_channels=2, graph='coco'))
assert type(net).__module__ == 'hpnet_plugin.models.backbones.ctrgcn'
import mmaction.registry as registries
""" + FIND) == ['', '']


@pytest.mark.slow
def test_registries_that_were_used_before():
    """They look again."""
    assert run("""
import mmaction.registry as registries
assert registries.RUNNERS.get('Runner')
assert registries.METRICS.get('AccMetric')
import hpnet_plugin
""" + FIND) == ['']


def test_names_of_packages():
    import hpnet_plugin
    from hpnet_plugin.datasets import PooledDataset
    assert hpnet_plugin.datasets.PooledDataset is PooledDataset
    assert set(hpnet_plugin.__all__) <= {*dir(hpnet_plugin), '__version__'}
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        hpnet_plugin.nothing  # noqa: B018


def test_a_config_is_formatted_once(monkeypatch):
    from mmengine.config import Config, config

    import hpnet_plugin.config_text as texts
    calls = []

    def formatter(text, **options):
        calls.append(text)
        return text + '# formatted', True

    monkeypatch.setattr(config, 'FormatCode', formatter)
    texts.format_once()
    one, other = Config(dict(a=1)), Config(dict(a=2))
    assert one.pretty_text == one.pretty_text != other.pretty_text
    assert len(calls) == 2
    once = config.FormatCode
    texts.format_once()
    assert config.FormatCode is once
