"""configs/MIGRATION.md: the way from every former config to its new one."""
import pathlib
import re

import pytest
from mmengine.config import Config

from hpnet_plugin.benchmark_files import benchmark_key
from hpnet_plugin.recipes import compose
from hpnet_plugin.recipes.current import current_config
from hpnet_plugin.recipes.reading import num_classes

ROOT = pathlib.Path(__file__).resolve().parents[2]
OLD = (pathlib.Path(__file__).parent / 'old_configs.txt').read_text().split()
ROWS = [(former, words.split()) for former, words in re.findall(
    r'^\| `(\S+?)` \| `(.+?)` \|$',
    (ROOT / 'configs/MIGRATION.md').read_text(), re.MULTILINE)]
WORDS = dict(part='jm|bm|j|b', net='[a-z0-9]+',
             stream='(?:pose|pose3d|simcc|rgb)_(?:jm|bm|j|b)')


def pattern(former):
    """A former name as a regular expression; what comes twice is the same."""
    seen, text = set(), ''
    for i, piece in enumerate(re.split(r'{(\w+)}', former)):
        if i % 2 == 0:
            text += re.escape(piece)
        elif piece in seen:
            text += f'(?P={piece})'
        else:
            text += f'(?P<{piece}>{WORDS.get(piece, "[a-z0-9_]+")})'
            seen.add(piece)
    return text


def migrated(former):
    """The config file and the settings that the page tells."""
    for row, words in ROWS:
        found = re.fullmatch(pattern(row), former)
        if found:
            path, *settings = (word.format(**found.groupdict())
                               for word in words)
            return path, dict(word.split('=', 1) for word in settings)
    raise AssertionError(f'no line for {former}')


def test_every_row_is_needed():
    found = [next(row for row, _ in ROWS
                  if re.fullmatch(pattern(row), former)) for former in OLD]
    assert set(found) == {row for row, _ in ROWS}
    assert len(OLD) == len(set(OLD)) == 276


@pytest.mark.parametrize('former', OLD)
def test_each_former_config(former):
    """It leads to a config of the same classes, stream, net and benchmark."""
    path, settings = migrated(former)
    assert (ROOT / path).is_file()
    cfg = Config.fromfile(ROOT / path)
    cfg.merge_from_dict(settings)
    cfg = current_config(cfg)
    for name, value in settings.items():
        if name != 'benchmark' and not value.startswith('work_dirs/'):
            assert cfg[name] == value
    benchmark = settings.get('benchmark') or cfg.get('benchmark')
    benchmark = benchmark and benchmark_key(benchmark)
    if benchmark and 'released' not in path:
        assert cfg.benchmark == benchmark
        assert num_classes(cfg) == compose(
            'stream', benchmark=benchmark)['model']['cls_head']['num_classes']
        former = former.replace('nw_ucla_small', 'nw_ucla_synthetic')
        assert benchmark in former or 'demo' in former
    # a row of the paper has a file of the new name, which is the same
    name = re.sub(r'/hp(?=[jb])', '/hp_', former)
    if (ROOT / name).is_file() and name != path:
        same = Config.fromfile(ROOT / name)
        assert same.to_dict() == cfg.to_dict()
