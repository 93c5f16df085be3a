"""The paper's tables: all of them, with its numbers, and files that break."""
import json

import pytest
import yaml

from hpnet_plugin.evaluation.paper_tables import (
    TableError,
    list_tables,
    read_table,
    table_number,
)


@pytest.fixture
def configs(root):
    return root / 'configs'


def published(configs, number, benchmark=None):
    return {row.id: row.published
            for row in read_table(configs, number, benchmark).rows}


def test_every_table_is_there(configs):
    assert list(list_tables(configs)) == list(range(3, 19))


@pytest.mark.parametrize('name, number', [
    ('9', 9), ('IX', 9), ('xvii', 17), ('table03', 3), ('Table XVIII', 18),
    (12, 12)])
def test_names_of_tables(name, number):
    assert table_number(name) == number


def test_configs_of_rows_exist(configs):
    """Every row of every table can be run, for every benchmark."""
    trained = set()
    for number, folder in list_tables(configs).items():
        for benchmark in read_table(configs, number).benchmarks:
            for row in read_table(configs, number, benchmark).rows:
                if row.config:
                    assert (configs / row.config).is_file(), row
                    trained.add(row.config)
        # and no config of a table's folder is in no row
        own = {path.relative_to(configs).as_posix()
               for path in folder.glob('*.py')}
        assert own <= trained


def test_numbers_of_the_paper(configs):
    """A few of each kind, read off the paper."""
    third = published(configs, 3)
    assert third['hpj_ctrgcn'] == 86.1 and third['pose_bm_mixformer'] == 80.1
    assert third['hp_ensemble_mixformer'] == 88.4
    assert published(configs, 9)['region3_hpnet'] == 96.2
    assert published(configs, 17, 'ntu60_xview')['l1_l2_l5'] == 99.4
    assert published(configs, 18, 'smarthome_cv1')['all'] == 57.9
    assert published(configs, 18, 'uav_human_csv2')['l2_l5'] == 78.8
    assert published(configs, 10)['pooling_macs'] == 1.8
    assert published(configs, 16, 'uav_human_csv1')[
        'all:open an umbrella'] == 42.9
    fifth = read_table(configs, 5)
    assert len(fifth.rows) == 3 + 3 * 35
    assert fifth['hpj:29'].published == 73.5 and fifth['hpj:29'].label == 28


def test_benchmarks_that_the_paper_has_not(configs):
    """They show the numbers of the one that it has, and say so."""
    small = read_table(configs, 9, 'nw_ucla_small')
    assert small.reference == 'ntu120'
    assert small['region3_hpnet'].published == 96.2
    assert read_table(configs, 17, 'ntu60_xsub').reference == 'ntu60_xsub'
    assert read_table(configs, 16, 'uav_human_csv1'
                      ).reference == 'uav_human_csv1'


def test_weights_of_the_fusion(configs):
    assert read_table(configs, 18, 'smarthome_cs')['l1_l5'].fuse == (
        ('hpj', 0.1, False), ('hpnet', 11., True))
    assert read_table(configs, 17)['l1_l5'].fuse[1] == ('hpnet', 6., True)
    assert {part[1:] for part in read_table(configs, 3)[
        'hp_ensemble_ctrgcn'].fuse} == {(1., False)}


def test_classes_by_name_are_classes(configs):
    from hpnet_plugin.datasets.classes import class_names
    for benchmark, names in (('ntu120', 'ntu120'),
                             ('uav_human_csv1', 'uav_human')):
        labels = [row.label for row in read_table(configs, 16, benchmark).rows
                  if row.label is not None]
        assert len(labels) == 40 and set(labels) <= set(class_names(names))


def test_what_was_measured_is_of_these_tables(configs):
    """The file of the README's numbers: its rows, runs and configs exist."""
    path = configs / 'ablations/measured_nw_ucla_small.json'
    for record in json.loads(path.read_text()):
        table = read_table(configs, record['table'], record['benchmark'])
        assert [row['id'] for row in record['rows']] == [
            row.id for row in table.rows]
        for row in record['rows']:
            assert row['published'] == table[row['id']].published
            for run, value in zip(row['runs'], row['measured']):
                assert (configs / run['config']).is_file()
                assert run[table.metric] == value
                assert run['hardware'] and run['clips'] == 188


GOOD = dict(title='t', benchmarks={'a': dict(metric='top1')},
            rows=[dict(id='x'), dict(id='y', fuse=['x'])])


@pytest.mark.parametrize('change, message', [
    (dict(rows=[dict(id='x', confg='c.py')]), r"unknown keys \['confg'\]"),
    (dict(rows=[dict(name='x')]), "has no 'id'"),
    (dict(rows=[dict(id='y', fuse=['z'])]), "made of 'z', which is no row"),
    (dict(rows=[dict(id='x'), dict(id='x')]), 'must be unique'),
    (dict(rows=[dict(id='x', cost='time')]), 'must be one of'),
    (dict(benchmarks={'a': dict(metric='acc')}), 'metric must be one of'),
    (dict(colour=1), r"unknown keys \['colour'\]"),
])
def test_broken_tables(tmp_path, change, message):
    folder = tmp_path / 'ablations/table03'
    folder.mkdir(parents=True)
    (folder / 'table.yml').write_text(yaml.safe_dump(GOOD))
    assert len(read_table(tmp_path, 3).rows) == 2
    (folder / 'table.yml').write_text(yaml.safe_dump({**GOOD, **change}))
    with pytest.raises(TableError, match=message):
        read_table(tmp_path, 3)


def test_unknown_names(configs):
    with pytest.raises(TableError, match='there is no table 2; there are 3,'):
        read_table(configs, 2)
    with pytest.raises(TableError, match='names no table'):
        read_table(configs, 'three')
    with pytest.raises(TableError, match="no benchmark 'ucf101'; it has ntu"):
        read_table(configs, 3, 'ucf101')
