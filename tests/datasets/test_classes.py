"""Class names."""
import ast
import re

import pytest

from hpnet_plugin.datasets.classes import read_classes


@pytest.mark.parametrize('name, number', [
    ('ntu60', 60), ('ntu120', 120), ('smarthome_cs', 31),
    ('smarthome_cv', 19), ('uav_human', 155)])
def test_shipped(shared, name, number):
    names = read_classes(name)
    expected = (shared / f'data/labels/{name}.txt').read_text().splitlines()
    assert names == expected and len(names) == number


def test_nw_ucla(shared):
    """In the order of the videos that are drawn of its motions."""
    text = (shared / 'data/nwucla/render.py').read_text()
    names = ast.literal_eval(re.search(r'^CLASSES = (\[.*?\])', text,
                                       re.M | re.S)[1])
    assert read_classes('nw_ucla') == names


def test_from_anywhere(tmp_path):
    assert read_classes('ntu60') == read_classes('ntu120')[:60]
    assert read_classes(('a', 'b')) == ['a', 'b']
    (tmp_path / 'mine.txt').write_text('jump high\nrun\n')
    assert read_classes(str(tmp_path / 'mine.txt')) == ['jump high', 'run']


def test_unknown():
    with pytest.raises(ValueError, match='closest: smarthome_cs'):
        read_classes('smarthom_cs')
    with pytest.raises(ValueError, match=r"\['a'\] more than once"):
        read_classes(['a', 'b', 'a'])
