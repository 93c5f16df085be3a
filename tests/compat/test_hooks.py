"""What happens at the import of a module of others."""
import importlib
import importlib.util
import sys
from types import ModuleType

import pytest

from hpnet_plugin.compat import hooks


@pytest.fixture
def module(tmp_path, monkeypatch):
    """The name of a module that is not imported yet."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / 'hooked_one.py').write_text('value = 1\n')
    importlib.invalidate_caches()
    yield 'hooked_one'
    sys.modules.pop('hooked_one', None)


def test_after_waits_for_the_import(module):
    calls = []
    hooks.after(module, lambda: calls.append(sys.modules[module].value))
    # to look for it is not to import it
    assert importlib.util.find_spec(module).origin.endswith('hooked_one.py')
    assert calls == []
    found = importlib.import_module(module)
    assert calls == [1]
    assert type(found.__loader__).__name__ == 'SourceFileLoader'
    hooks.after(module, lambda: calls.append(2))  # imported: at once
    assert calls == [1, 2]


def test_around_runs_the_module(module):
    order = []

    def outer(run):
        order.append('before')
        run()
        order.append(sys.modules[module].value)

    hooks.around(module, outer)
    hooks.after(module, lambda: order.append('after'))
    importlib.import_module(module)
    assert order == ['before', 1, 'after']


def test_an_error_of_the_module_is_its_own(tmp_path, module):
    (tmp_path / 'hooked_one.py').write_text('1 / 0\n')
    calls = []
    hooks.after(module, lambda: calls.append(1))
    with pytest.raises(ZeroDivisionError):
        importlib.import_module(module)
    assert calls == [] and module not in sys.modules


def test_served_only_where_nobody_else_has_it(module):
    other = ModuleType('other')
    hooks.serve(module, lambda: other)
    assert importlib.import_module(module).value == 1
    open_ = []
    hooks.serve('hooked_two', lambda: other, when=lambda: bool(open_))
    assert hooks.lacks('hooked_two') and not hooks.lacks(module)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module('hooked_two')
    open_.append(1)
    assert importlib.import_module('hooked_two') is other
    assert hooks.lacks('hooked_two')
    del sys.modules['hooked_two']
