"""What is imported for nothing, and that the registries find all the same."""
import json
import subprocess
import sys

import pytest

from hpnet_plugin.cli import COMMANDS

HEAVY = ('torch', 'mmaction', 'mmengine', 'mmcv', 'mmpose', 'mmdet', 'cv2',
         'scipy', 'matplotlib', 'sklearn', 'open_clip', 'transformers')


def loaded(code, modules=HEAVY):
    """Those of some modules that are imported when code has run."""
    show = f'import json, sys; print(json.dumps([m for m in {modules!r} ' \
        'if m in sys.modules]))'
    done = subprocess.run(
        [sys.executable, '-c', f'{code}\n{show}'], capture_output=True,
        text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize('modules', [
    'hpnet_plugin', 'hpnet_plugin.store', 'hpnet_plugin.evaluation',
    'hpnet_plugin.evaluation.fusion', 'hpnet_plugin.datasets.preparation',
    'hpnet_plugin.evaluation.calibration', 'hpnet_plugin.apis.trained',
    'hpnet_plugin.apis.media', 'hpnet_plugin.apis.live',
    'hpnet_plugin.recipes', 'hpnet_plugin.cli', 'hpnet_plugin.apis.inputs',
    'hpnet_plugin.apis.onnx_scorer', 'hpnet_plugin.graph'])
def test_imports_need_no_stock_package(modules):
    assert loaded(f'import {modules}') == []


def test_help_needs_no_stock_package():
    """Of all commands in one process, each as the console script does it."""
    code = f"""
import contextlib, io
from hpnet_plugin.cli import main
for name in {sorted(COMMANDS)!r}:
    with contextlib.redirect_stdout(io.StringIO()) as text:
        try:
            main([name, '--help'])
        except SystemExit as end:
            assert end.code == 0, name
    assert f'usage: hpnet {{name}}' in text.getvalue(), name
"""
    assert loaded(code) == []


def test_streams_do_not_wait_for_towers():
    """open_clip is imported when a tower is built."""
    assert loaded('import hpnet_plugin.models',
                  ('open_clip', 'timm')) == []


FIND = """
found = dict(
    MODELS=['CTRGCN', 'XCLIPVision', 'CLIPText', 'TRMM', 'XCLIPRecognizer'],
    TRANSFORMS=['LoadPooledFeature', 'GenPooledStream', 'LoadPersonCrops'],
    DATASETS=['PooledDataset'], METRICS=['PerClassAccuracy'],
    RUNNERS=['CheckedRunner'], OPTIM_WRAPPER_CONSTRUCTORS=['FlatDecayFree'])
for registry, names in found.items():
    for name in names:
        kind = getattr(registries, registry).get(name)
        assert kind.__module__.startswith('hpnet_plugin.'), name
"""


@pytest.mark.parametrize('order', [
    # before the registries, after them, and after they were used
    'import hpnet_plugin; import mmaction.registry as registries',
    'import mmaction.registry as registries; import hpnet_plugin',
    'import mmaction.registry as registries\n'
    'assert registries.RUNNERS.get("Runner")\n'
    'assert registries.METRICS.get("AccMetric")\nimport hpnet_plugin',
])
def test_registries_find_what_nobody_imported(order):
    loaded(order + FIND)


def test_what_a_scope_finds():
    """As a config builds it: from mmengine's root, by the default scope."""
    loaded("""
import hpnet_plugin
from mmengine.registry import MODELS, DefaultScope
with DefaultScope.overwrite_default_scope('mmaction'):
    net = MODELS.build(dict(type='CTRGCN', in_channels=2, graph='coco'))
assert type(net).__module__ == 'hpnet_plugin.models.backbones.ctrgcn'
""")


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
