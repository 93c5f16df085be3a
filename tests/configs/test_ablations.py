"""Rows of the paper's tables: what each trains, and the file of each."""
import json

import pytest
import yaml
from mmengine.config import Config

from hpnet_plugin.facts import benchmark_facts
from hpnet_plugin.recipes import compose
from hpnet_plugin.reproduction.decisive import decisive
from hpnet_plugin.reproduction.metafile import (
    fingerprint,
    metafile,
    published_of_rows,
    trained_configs,
)
from hpnet_plugin.reproduction.paper_tables import list_tables, read_table
from hpnet_plugin.reproduction.runs import Run
from hpnet_plugin.reproduction.tables import Reproduction
from hpnet_plugin.runner import current_config

GENERIC = {'stream', 'hpnet', 'xclip', 'posec3d', 'rgbpose',
           'released_stream', 'released_hpnet'}
SMALL = 'nw_ucla_synthetic'
STREAM = dict(stream='hp_j', net='ctrgcn')


@pytest.fixture(scope='module')
def configs(root):
    return root / 'configs'


@pytest.fixture(scope='module', autouse=True)
def loaded_once():
    """Several tests ask for the same trainings, and change none of them."""
    load, known = Run.load, {}

    def once(run):
        key = run.config, run.options
        if key not in known:
            known[key] = load(run)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, 'load', once)
        yield


@pytest.fixture(scope='module')
def published(configs):
    return published_of_rows(configs)


@pytest.fixture(scope='module')
def files(configs):
    """Fingerprint of each config that trains."""
    return {path: fingerprint(current_config(Config.fromfile(path)))
            for path in trained_configs(configs)
            if path.stem not in GENERIC and path.parent.name != 'small'}


def test_each_published_row_has_its_file(published, files):
    """One file a training, and none that no row of the paper is of."""
    assert len(set(files.values())) == len(files)
    assert set(files.values()) == set(published)


def test_files_are_few_and_short(configs):
    files = list(configs.rglob('*.py'))
    assert len(files) < 120
    for path in trained_configs(configs):
        assert len(path.read_text().splitlines()) <= 15, path


def test_metafile_is_up_to_date(configs):
    """mim search shows the numbers of table.yml."""
    text = (configs / 'metafile.yml').read_text()
    assert text == metafile(configs), \
        'run python -m hpnet_plugin.reproduction.metafile configs'
    models = {model['Name']: model
              for model in yaml.safe_load(text)['Models']}
    assert models['hpnet_uav_human_csv1']['Results'][0]['Metrics'] == {
        'Top 1 Accuracy (published, Tables II, XVIII)': 52.0}
    assert models['hp_j_ctrgcn_ntu120']['Results'][0]['Metrics'][
        'Top 1 Accuracy (published, Tables VII, VIII, IX)'] == 86.2
    assert models['rgbpose_conv3d_ntu60_xview']['Results'][0]['Metrics'] == {
        'Top 1 Accuracy (published, Table I)': 99.6}
    assert 'Results' not in models['stream']


def test_every_row_composes(configs):
    """Of every table, for every benchmark; data and classes are its own."""
    seen = set()
    for number in list_tables(configs):
        for benchmark in read_table(configs, number).benchmarks:
            table = read_table(configs, number, benchmark)
            for row in table.rows:
                if not row.recipe or row.stem in seen:
                    continue
                seen.add(row.stem)
                cfg = Reproduction(table, configs, 'out').run_of(
                    row, 0).load()
                facts = benchmark_facts(benchmark)
                assert cfg.model.cls_head.num_classes == len(facts.classes)
                assert cfg.recipe == row.recipe
                assert cfg.benchmark == benchmark
    assert len(seen) > 150


def differences(one, other, where=''):
    """Dotted keys in which two nested values differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {found for key in {*one, *other} for found in differences(
            one.get(key), other.get(key), f'{where}.{key}'.strip('.'))}
    if isinstance(one, list) and isinstance(other, list) and \
            len(one) == len(other):
        return {found for i, pair in enumerate(zip(one, other))
                for found in differences(*pair, f'{where}.{i}')}
    return set() if one == other else {where}


TAP = {'train_dataloader.dataset.pipeline.{}.tap',
       'test_dataloader.dataset.pipeline.{}.tap'}
FOLDER = {'train_dataloader.dataset.data_root',
          'test_dataloader.dataset.data_root'}


def at(place):
    return {key.format(place) for key in TAP}


@pytest.mark.parametrize('number, row, benchmark, base, changed', [
    (3, 'pose_j_ctrgcn_pixels', SMALL, dict(STREAM, stream='pose_j'),
     {f'{phase}_dataloader.dataset.pipeline.0.type'
      for phase in ('train', 'test')}),
    (6, 'hrnet_mixformer', 'ntu120', dict(STREAM, net='mixformer'), FOLDER),
    (6, 'hrnet_hpnet', 'ntu120', {}, FOLDER),
    (7, 'h1', 'ntu120', STREAM, {*at(0), 'model.backbone.in_channels'}),
    (7, 'h3', SMALL, STREAM, at(0)),
    (8, 'stage1_ctrgcn', 'ntu120', STREAM, at(0)),
    (8, 'stage1_hpnet', SMALL, {},
     {*at(1), 'model.topology.model.in_channels'}),
    (8, 'stage2_hpnet', 'ntu120', {}, at(1)),
    (9, 'region3_ctrgcn', 'ntu120', STREAM, at(0)),
    (9, 'region5_hpnet', SMALL, {}, at(1)),
    (12, 'trmm', 'ntu120', {}, {'model.topology.streams'}),
    (12, 'film', 'ntu120', {}, {'model.topology.streams',
                                'model.cls_head.fusion.type'}),
    (12, 'cross_attention', SMALL, {}, {'model.topology.streams',
                                        'model.cls_head.fusion.type'}),
    (13, 'frame', 'smarthome_cs', {}, FOLDER),
    (14, 'lambda05', 'ntu120', {}, {'model.cls_head.lambdas'}),
])
def test_ablations_differ_in_one_thing(configs, number, row, benchmark, base,
                                       changed):
    table = read_table(configs, number, benchmark)
    cfg = Reproduction(table, configs, 'out').run_of(table[row], 0).load()
    plain = Config(compose('stream' if base else 'hpnet', **base,
                           benchmark=benchmark))
    found = differences(decisive(cfg), decisive(plain))
    # lists of other lengths are told as a whole
    assert found == changed


@pytest.mark.parametrize('number, row, benchmark, key, value', [
    (7, 'h1', 'ntu120', 'tap', 'backbone.stage4.2.relu'),
    (7, 'h1', SMALL, 'tap', 'hybridsequential0_relu6_fwd'),
    (8, 'stage2_ctrgcn', 'ntu120', 'tap', 'backbone.stage3.3.branches.1'),
    (9, 'region5_hpnet', 'ntu120', 'tap', 'backbone.stage4.0.branches.1@5'),
    (13, 'frame', 'ntu120_xset', 'data_root', 'data/ntu120_frame'),
    (1, 'rgbpose_pose_to_rgb', 'ntu60_xview', 'fusion', 'pose_to_rgb'),
])
def test_settings_of_rows(configs, number, row, benchmark, key, value):
    """Those of Tables VII to XIII, by the names of HRNet's layers."""
    table = read_table(configs, number, benchmark)
    cfg = Reproduction(table, configs, 'out').run_of(table[row], 0).load()
    assert cfg[key] == value


def test_taps_have_the_channels_of_the_net(configs):
    """48 channels at the end of stage 4, 192 in its third branch."""
    table, found = read_table(configs, 7), {}
    for row in table.rows:
        cfg = Reproduction(table, configs, 'out').run_of(row, 0).load()
        found[row.id] = cfg.model.backbone.in_channels
    assert found == dict(h1=48, h2=96, h3=192)


def test_measured_numbers_are_in_the_page(configs):
    """What was measured in small stands in README.md, to the digit."""
    page = (configs / 'ablations/README.md').read_text()
    path = configs / 'ablations/measured_nw_ucla_synthetic.json'
    for record in json.loads(path.read_text()):
        for row in record['rows']:
            for number in row['measured']:
                assert f'{number:.1f}' in page, (record['table'], row['id'])
