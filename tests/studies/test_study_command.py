"""hpnet study: from runs to tables, figures and files, and real runs."""
import json
import os
import shutil

import numpy as np
import pytest
import torch
import yaml

from hpnet_plugin.commands import study as command
from hpnet_plugin.datasets.annotations import write_annotations
from hpnet_plugin.evaluation.scores import Scores, write_scores
from hpnet_plugin.facts import Facts, write_facts
from hpnet_plugin.files import try_locked
from hpnet_plugin.reproduction.execution import ReproductionError
from hpnet_plugin.reproduction.records import read_record, update_record
from hpnet_plugin.reproduction.runs import Run
from hpnet_plugin.store import FeatureStore, StoreWriter
from hpnet_plugin.studies.jobs import Plan
from hpnet_plugin.studies.measures import Measures
from hpnet_plugin.studies.results import gather, of_study, read_results
from hpnet_plugin.studies.study_file import read_study

NET = ('model.backbone.base_channels=4 model.cls_head.in_channels=16 '
       'train_dataloader.batch_size=4 epochs=1')
STUDY = dict(
    title='Two methods', data_root='data', clips=dict(
        pattern=r'_s(?P<group>\d+)_.*_l(?P<variant>\d)'),
    variants=dict(train=[0], test=[0, 1]), folds=[[1], [2]],
    held_back=dict(groups=[3], variants=[2]), seeds=3, fractions=[50, 100],
    options=NET, rows=[
        dict(name='pose', options='stream=pose_j', final=True),
        dict(name='hp', options='stream=hp_j'),
        dict(name='both', sum=['pose', 'hp'], cost='two nets')],
    compare=[['hp', 'pose'], ['both', 'pose']])


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Clips of three subjects and three looks, two classes."""
    rng = np.random.RandomState(0)
    folder = tmp_path_factory.mktemp('study') / 'data'
    names = {f'a{a}_s0{s}_e{e}_l{look}': a for a in range(2)
             for s in (1, 2, 3) for e in range(3) for look in range(3)}
    with StoreWriter(str(folder / 'features'), dict(taps=dict(t=4))) as out:
        for name, label in names.items():
            out.add(name, dict(
                keypoint=rng.rand(1, 4, 17, 2).astype(np.float32) + label,
                keypoint_score=np.ones((1, 4, 17), np.float32),
                t=rng.rand(1, 4, 17, 4).astype(np.float16)),
                dict(img_shape=[90, 160], num_frames=4))
    write_annotations(FeatureStore(str(folder / 'features')),
                      str(folder / 'annotations.pkl'), names, {})
    write_facts(str(folder), Facts(
        'data', 'data', str(folder), ('sit', 'walk'), 1, 16, dict(t=4), {},
        {}, schedule='small'))
    return folder


@pytest.fixture
def study(tmp_path, data, monkeypatch):
    """Changes the study file and reads it."""
    monkeypatch.chdir(tmp_path)

    def write(**changes):
        content = {**STUDY, 'data_root': str(data), **changes}
        (tmp_path / 'small.yml').write_text(yaml.safe_dump(content))
        return read_study('small.yml')

    write()
    return write


def plan_of(study, root, **more):
    plan = Plan(study, 'out', root / 'configs', **more)
    plan.prepare(plan.jobs())
    return plan


def make(job, wrong=.3):
    """A run as it is left, with made-up scores."""
    names = [clip.name for clip in job.fold.test]
    labels = np.array([clip.label for clip in job.fold.test])
    # the same whichever runs are made, and in whatever order
    rng = np.random.default_rng([*job.title.encode()])
    scores = rng.normal(size=(len(names), 2)).astype(np.float32)
    scores[np.arange(len(names)), labels] += 2 * (1 - wrong)
    log = job.run.folder / 'then/vis_data/scalars.json'
    log.parent.mkdir(parents=True)
    log.write_text('{"epoch": 1, "iter": 1, "loss": 0.7, "step": 1}\n')
    write_scores(job.run.scores, Scores(names, scores, labels, 'made up'))
    update_record(job.run.folder, dict(
        decisive=job.run._decisive(job.run.load()), seed=job.run.seed,
        parameters=1_230_000, macs=5, top1=50., clips=len(names),
        train_seconds=100, train_cpu_seconds=50))
    return dict(zip(names, scores))


def main(*words):
    return command.main(['small.yml', '--out', 'out', *words])


def test_numbers_against_plain_loops(study, root, capsys):
    """Accuracies, the sum of two rows, and gains, of all runs."""
    plan = plan_of(study(fractions=[100]), root)
    labels = dict(plan.source.labels)
    scores = {(job.row.name, job.fold.name, job.run.seed): make(job)
              for job in plan.jobs()}
    assert main('--no-run') == 0
    printed = capsys.readouterr().out
    report = json.loads((plan.out / 'report.json').read_text())

    def right(row, clip, fold, seed):
        found = sum(scores[name, fold, seed][clip] for name in (
            ('pose', 'hp') if row == 'both' else (row, )))
        return found.argmax() == labels[clip]

    shares, errors = {}, {}
    for row, in ((r['row'], ) for r, in report['rows']):
        found = {clip: np.mean([right(row, clip, fold, seed)
                                for seed in range(3)])
                 for fold in '12' for clip in scores['pose', fold, 0]}
        shares[row] = found
        errors[row] = np.std([np.mean([
            right(row, clip, fold, seed) for fold in '12'
            for clip in scores['pose', fold, 0]])
            for seed in range(3)], ddof=1) / 3**.5
    for record, in report['rows']:
        found = shares[record['row']]
        assert record['accuracy'] == pytest.approx(
            100 * np.mean([*found.values()]))
        assert record['mean_class_accuracy'] == pytest.approx(50 * sum(
            np.mean([v for k, v in found.items() if labels[k] == label])
            for label in range(2)))
        assert record['error'] == pytest.approx(100 * errors[record['row']])
        assert record['clips'] == 24 and record['runs'] == 6 == record['of']
        assert f'{record["accuracy"]:.1f} ± {record["error"]:.1f}' in printed
    pose, _, both = (record for record, in report['rows'])
    assert both['parameters'] == 2 * pose['parameters'] == 2_460_000
    assert both['train_cpu_seconds'] == 100
    for gain in report['gains']:
        after, before = shares[gain['first']], shares[gain['second']]
        assert gain['gain'] == pytest.approx(100 * np.mean(
            [after[clip] - before[clip] for clip in after]))
        # 12 recordings in two looks
        assert gain['clusters'] == 12 and gain['clips'] == 24
        assert gain['pairs'] == 6 == gain['of']
    assert os.path.getsize(plan.out / 'gains.png') > 1000
    assert main('--no-run', '--by', 'group') == 0
    assert json.loads((plan.out / 'report.json').read_text()
                      )['gains'][0]['clusters'] == 2


def test_rows_that_are_not_done_everywhere(study, root, capsys):
    """Compared on what both have, and the table says how much that is."""
    plan = plan_of(study(), root)
    done = {('pose', '1', 0), ('pose', '2', 0), ('pose', '1', 1),
            ('hp', '1', 0), ('hp', '2', 1), ('hp', '1', 1)}
    for job in plan.jobs():
        if job.percent == 100 and (job.row.name, job.fold.name,
                                   job.run.seed) in done:
            make(job)
    assert main('--no-run') == 0
    printed = capsys.readouterr().out
    report = json.loads((plan.out / 'report.json').read_text())
    gain, _ = report['gains']
    assert (gain['pairs'], gain['of'], gain['clips']) == (2, 6, 12)
    assert gain['error'] is None  # no seed tested all folds in both
    measures = Measures(plan.study, gather(plan.jobs(), []), ['1', '2'])
    assert measures.pairs(plan.study['both']) == [('1', 0), ('1', 1)]
    pairs = [('1', 0), ('1', 1)]
    shares = [measures.tested(plan.study[row], pairs).right.mean()
              for row in ('hp', 'pose')]
    assert gain['gain'] == pytest.approx(100 * (shares[0] - shares[1]))
    assert '3 of 6 runs' in printed and '2 of 6' in printed
    assert 'not run' in printed  # half of the clips
    assert [record['runs'] for record in report['rows'][0]] == [0, 3]


def test_order_of_runs(study, root):
    """All rows of one fold and seed first; parts of the clips last."""
    jobs = plan_of(study(), root).jobs()
    order = [(job.percent, job.run.seed, job.fold.name, job.row.name)
             for job in jobs]
    assert len(order) == 24 and order[:5] == [
        (100, 0, '1', 'pose'), (100, 0, '1', 'hp'), (100, 0, '2', 'pose'),
        (100, 0, '2', 'hp'), (100, 1, '1', 'pose')]
    assert [percent for percent, *_ in order] == [100] * 12 + [50] * 12
    for job in jobs:
        assert f'data_root={job.run.load().data_root}' == job.run.options[-1]
    only = plan_of(study(), root, only=lambda row: row == 'both')
    assert {job.row.name for job in only.jobs()} == {'pose', 'hp'}


def test_raw_results_are_enough(study, root, capsys, data):
    """Without the runs, and without the dataset."""
    plan = plan_of(study(), root)
    for job in plan.jobs():
        make(job)
    assert main('--no-run') == 0
    first = capsys.readouterr().out
    assert os.path.getsize(plan.out / 'learning_curve.png') > 1000
    record = (plan.out / 'report.json').read_bytes()
    shutil.rmtree(plan.out / 'runs')
    assert main('--no-run') == 0
    assert capsys.readouterr().out == first
    study(data_root='gone')
    assert main('--no-run') == 0
    assert capsys.readouterr().out == first
    assert (plan.out / 'report.json').read_bytes() == record
    content = json.loads((plan.out / 'results.json').read_text())
    run = content['runs'][0]
    assert (run['row'], run['fold'], run['percent'], run['seed']) == (
        'pose', '1', 100, 0)
    assert run['record']['train_cpu_seconds'] == 50
    assert len(run['train']) == 6 and len(run['test']) == 12
    # of other settings, they are not the study's any more
    changed = study(options=NET + ' frames=8')
    known = read_results(plan.out)
    assert len(known) == 24 and not of_study(known, changed)
    assert not gather(plan_of(changed, root).jobs(), known)
    (plan.out / 'scores.npz').write_bytes(b'broken')
    assert main('--no-run') == 2
    assert 'cannot be used' in capsys.readouterr().err


def test_held_back_is_looked_at_on_request(study, root, capsys, monkeypatch):
    """Without the flag, no run of it is planned, made, read or shown."""
    plan = plan_of(study(), root, held_back=True)
    held = plan.jobs()
    assert {job.row.name for job in held} == {'pose'}  # the final row
    assert {clip.name[-2:] for job in held for clip in job.fold.test} == {
        'l2'}
    usual = plan_of(study(), root).jobs()
    assert not {clip.name for job in held for clip in job.fold.test} & {
        clip.name for job in usual for part in (job.fold.train,
                                                job.fold.test)
        for clip in part}
    made = []
    monkeypatch.setattr(Run, '__call__', lambda run, report: made.append(
        str(run.folder)))
    assert main() == 3
    assert made and not [folder for folder in made if 'held' in folder]
    assert not os.path.exists('out/held_back')
    assert 'held back' not in capsys.readouterr().out
    made.clear()
    for looks in range(2):
        assert command.main(['small.yml', '--out', 'out', '--held-back',
                             '--no-run']) == 0
        printed = capsys.readouterr().out
        assert 'uses it up' in printed
        assert ('it is the first' in printed) == (looks == 0)
    assert not made
    looks = json.loads(open('out/held_back/looks.json').read())
    assert [look['rows'] for look in looks] == [['pose'], ['pose']]
    assert looks[0]['when'] in printed
    study(rows=[dict(name='pose', options='stream=pose_j')], compare=[])
    assert main('--held-back') == 2
    assert 'is "final: true"' in capsys.readouterr().err


def test_work_is_shared_and_other_versions_are_refused(study, root, capsys):
    jobs = plan_of(study(fractions=[100], seeds=1), root).jobs()
    for job in jobs[1:]:
        make(job)
    jobs[0].run.folder.mkdir(parents=True)
    with try_locked(jobs[0].run.folder / '.lock') as mine:
        assert mine
        assert main() == 3  # another process is at the one that is left
    assert '1 of 2 runs' in capsys.readouterr().out
    study(fractions=[100], seeds=1, options=NET + ' frames=8')
    assert main('--no-run') == 1
    assert 'was made by' in capsys.readouterr().err
    assert main('--dry-run') == 0
    assert '4 runs, 3 of them done' in capsys.readouterr().out


def test_real_runs(study, root, capsys):
    """Trained and tested in copies of this process, by mmaction2's scripts.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # those of earlier tests do not survive a copy
    try:
        study(fractions=[100], seeds=1)
        assert main('--only', 'pose') == 0
    finally:
        torch.set_num_threads(threads)
    printed = capsys.readouterr().out
    assert '1/2 pose, fold 1, seed 0: ' in printed
    assert 'left for one process' in printed
    found = read_results(plan_of(study(), root).out)
    assert [(run.row, run.fold) for run in found] == [('pose', '1'),
                                                      ('pose', '2')]
    for run in found:
        assert len(run.record['loss']) == 1 and run.record['parameters'] > 0
        assert run.record['train_cpu_seconds'] >= 0
        assert run.scores.scores.dtype == np.float32
        assert len(run.scores.names) == 12 and len(run.train) == 6
        folder = f'out/runs/pose/{run.fold}-100/seed0'
        assert len([n for n in os.listdir(folder)
                    if n.endswith('.pth')]) == 1
        assert read_record(plan_of(study(), root).out / folder[4:])['top1'] \
            == 100 * np.mean(run.scores.scores.argmax(1) == run.scores.labels)


def test_a_row_that_fails(study, root, capsys, monkeypatch):
    """The others go on; in the end it is said what the row failed of."""
    study(fractions=[100], seeds=1)
    tried = []

    def run(self, report):
        tried.append(str(self.folder))
        if 'pose' in str(self.folder):
            raise ReproductionError('no net')
        job, = (job for job in jobs if job.run.folder == self.folder)
        make(job)
        return True

    jobs = plan_of(study(fractions=[100], seeds=1), root).jobs()
    monkeypatch.setattr(Run, '__call__', run)
    assert main() == 1
    printed = capsys.readouterr()
    assert len(tried) == 3  # pose once, the other row on both folds
    assert 'pose, fold 1, seed 0: no net' in printed.err
    assert '4 runs, 0 of them done' in printed.out
    line, *_ = (line for line in printed.out.splitlines()
             if line.startswith('both'))
    assert 'not run' in line


@pytest.mark.parametrize('options, told', [
    ('stream=hp_j tap=zz', "tap='zz'"),
    ('stream=hp_x', 'hp_j'),
    ('stream=hp_j load_from=none.pth', 'none.pth: no such checkpoint')])
def test_rows_that_cannot_run(study, capsys, options, told):
    """Said before anything is trained."""
    study(rows=[dict(name='pose', options='stream=pose_j'),
                dict(name='b', options=options)], compare=[])
    assert main() == 2
    assert told in capsys.readouterr().err
    assert not os.path.exists('out/runs')
