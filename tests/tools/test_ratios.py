"""hpnet benchmark ratios: a ratio that fell is seen; answer measures."""
import json
import re

import pytest

from hpnet_plugin.benchmarks import answer, common, ratios
from hpnet_plugin.commands.benchmark import main


@pytest.fixture
def reached(monkeypatch, tmp_path):
    """The file of what was reached, of two parts that are made up."""
    path = tmp_path / 'reached.json'
    path.write_text('{"a": 4.0, "b": 2.0}')
    monkeypatch.setattr(ratios, 'REACHED', str(path))
    monkeypatch.setattr(ratios, '_import_once', lambda: None)
    quick = dict(left=dict(a=lambda: 4.1), right=dict(b=lambda: 1.7))
    monkeypatch.setattr(ratios, 'quick_parts', lambda: quick)
    return path, quick


def table(tmp_path, *words, status=0):
    """Rows by name."""
    out = tmp_path / 'numbers.json'
    assert main(['ratios', *words, '--json', str(out)]) == status
    rows, = json.loads(out.read_text())['tables'].values()
    return {row['name']: row for row in rows}


def counted(path, *values):
    """Gives one value after the other, and the last for ever.

    It is called in processes of their own, so that a file counts.
    """
    def call():
        with open(path, 'a+') as file:
            file.write('x')
            return values[min(file.tell(), len(values)) - 1]
    return call


def test_all_as_before(reached, tmp_path, capsys):
    rows = table(tmp_path)
    assert {name: (row['part'], row['share'], row['verdict'])
            for name, row in rows.items()} == dict(
        a=('left', '102%', 'kept'), b=('right', '85%', 'kept'))
    printed = capsys.readouterr().out
    assert re.search(r'^b +right +2.0 +1.7 +85% +kept', printed, re.M)


def test_a_fall_is_seen(reached, tmp_path):
    """Not at once: it is measured twice more, and alone."""
    fallen, calm = tmp_path / 'fallen', tmp_path / 'calm'
    reached[1]['right'].update(b=counted(fallen, 1.5, 1.4, 1.59, 9.))
    reached[1]['left'].update(a=counted(calm, 3.3))
    rows = table(tmp_path, status=1)
    assert rows['b']['verdict'] == 'fell' and rows['b']['now'] == 1.59
    assert rows['a']['verdict'] == 'kept'
    assert (fallen.read_text(), calm.read_text()) == ('xxx', 'x')


def test_a_loaded_machine_is_forgiven(reached, tmp_path):
    reached[1]['right'].update(b=counted(tmp_path / 'n', .3, 1.9))
    assert table(tmp_path)['b']['now'] == 1.9
    assert (tmp_path / 'n').read_text() == 'xx'


def test_some_parts(reached, tmp_path, capsys):
    assert set(table(tmp_path, 'right')) == {'b'}
    assert main(['ratios', 'middle']) == 2
    assert 'middle; parts that have them: left, right' in \
        capsys.readouterr().err


@pytest.mark.parametrize('content, message', [
    ('{"a": 4}', 'not in reached.json: b'),
    ('{"a": 4, "b": 2, "c": 1}', 'measured by no part: c')])
def test_names_that_do_not_fit(reached, capsys, content, message):
    reached[0].write_text(content)
    assert main(['ratios']) == 2
    assert message in capsys.readouterr().err


def test_update(reached, tmp_path):
    """The median of three turns; other parts stay, unless all are measured."""
    path, quick = reached
    path.write_text('{"a": 4, "gone": 1}')
    quick['right'].update(b=counted(tmp_path / 'n', 7, 9, 8))
    rows = table(tmp_path, 'right', '--update')
    assert rows['b']['verdict'] == 'new'
    assert json.loads(path.read_text()) == dict(a=4, b=8, gone=1)
    assert table(tmp_path, '--update')['a']['share'] == '102%'
    assert json.loads(path.read_text()) == dict(a=4.1, b=8)


def test_one_name_twice(monkeypatch):
    monkeypatch.setattr(common, 'QUICK', answer.QUICK, raising=False)
    with pytest.raises(ValueError, match="answer and common.*'answer'"):
        ratios.quick_parts()


def test_what_is_reached_is_what_is_measured():
    """reached.json of the package, and the ratios of its parts."""
    parts = ratios.quick_parts()
    assert parts['answer'] is answer.QUICK
    ratios.compare_names(parts, ratios.read())


def test_ci_calls_it_before_the_tests(root):
    text = (root / '.ci/run').read_text()
    assert text.index('\nmake ratios') < text.index('\nmake test')
    assert 'hpnet benchmark ratios' in (root / 'Makefile').read_text()
