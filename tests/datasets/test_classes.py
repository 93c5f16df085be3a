"""Class names."""
import ast
import re

import pytest

from hpnet_plugin.datasets.classes import class_names


@pytest.mark.parametrize('name, number', [
    ('ntu60', 60), ('ntu120', 120), ('smarthome_cs', 31),
    ('smarthome_cv', 19), ('uav_human', 155)])
def test_shipped(shared, name, number):
    names = class_names(name)
    expected = (shared / f'data/labels/{name}.txt').read_text().splitlines()
    assert names == expected and len(names) == number


def test_nw_ucla(shared):
    """In the order of the videos that are drawn of its motions."""
    text = (shared / 'data/nwucla/render.py').read_text()
    names = ast.literal_eval(re.search(r'^CLASSES = (\[.*?\])', text,
                                       re.M | re.S)[1])
    assert class_names('nw_ucla') == names


def test_from_anywhere(tmp_path):
    assert class_names('ntu60') == class_names('ntu120')[:60]
    assert class_names(('a', 'b')) == ['a', 'b']
    (tmp_path / 'mine.txt').write_text('jump high\nrun\n')
    assert class_names(str(tmp_path / 'mine.txt')) == ['jump high', 'run']


def test_unknown():
    with pytest.raises(ValueError, match='closest: smarthome_cs'):
        class_names('smarthom_cs')
    with pytest.raises(ValueError, match=r"\['a'\] more than once"):
        class_names(['a', 'b', 'a'])
