"""mmaction2's models beside a transformers that lacks what VindLU asks."""
import importlib.util

import pytest
from mmaction.registry import MODELS

from hpnet_plugin.compat import multimodal


def test_nothing_to_do_without_transformers(monkeypatch):
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    assert not multimodal.needed()


def test_the_models_import_and_vindlu_says_what_it_needs():
    pytest.importorskip('transformers')
    import mmaction.models  # noqa: F401
    assert multimodal.needed() and multimodal.filled()
    with pytest.raises(ImportError, match='multimodal'):
        MODELS.build(dict(type='mmaction.VindLUVQA'))
