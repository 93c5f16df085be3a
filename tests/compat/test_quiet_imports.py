"""Imports of the toolbox that the garbage collector leaves alone."""
import gc
import importlib
import sys

import pytest

from hpnet_plugin.compat import hooks, quiet_imports


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module that counts as large, with one inside that does, too."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / 'large_one.py').write_text(
        'import gc\nimport large_two\nenabled = gc.isenabled()\n')
    (tmp_path / 'large_two.py').write_text('')
    importlib.invalidate_caches()
    monkeypatch.setattr(quiet_imports, 'LARGE', ('large_one', 'large_two'))
    quiet_imports.pause_garbage_collection()
    yield tmp_path / 'large_one.py'
    for name in ('large_one', 'large_two'):
        sys.modules.pop(name, None)
        hooks._first().around.pop(name)


def test_paused_until_the_outermost_import_ends(module):
    assert gc.isenabled()
    assert not importlib.import_module('large_one').enabled
    assert gc.isenabled()


def test_a_program_without_garbage_collection_stays_without(module):
    gc.disable()
    try:
        importlib.import_module('large_one')
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_an_import_that_fails_leaves_it_as_it_was(module):
    module.write_text('1 / 0\n')
    with pytest.raises(ZeroDivisionError):
        importlib.import_module('large_one')
    assert gc.isenabled()


def test_the_toolbox_is_large():
    """Of a name that nobody has any more, no import would be paused."""
    for name in quiet_imports.LARGE:
        assert importlib.import_module(name)
