"""Trained models: what checkpoints say, and folders of their own."""
import dataclasses
import json
import os
import pickle
import shutil
from importlib.metadata import version

import numpy as np
import pytest
import torch
from mmaction.registry import DATASETS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope

from hpnet_plugin.apis import (
    CheckedRunner,
    describing,
    from_pretrained,
    load_trained,
    save_pretrained,
    write_calibration,
)
from hpnet_plugin.apis.checkpoints import CheckpointError
from hpnet_plugin.apis.description import DescriptionError
from hpnet_plugin.apis.members import Member, default_members
from hpnet_plugin.apis.scorers import TorchScorer
from hpnet_plugin.apis.trained import TrainedError
from hpnet_plugin.cli import main

EPOCHS = 3


@pytest.fixture
def run(trained, tmp_path):
    """The work dir, to be changed."""
    return shutil.copytree(trained.run, tmp_path / 'hp_j_mine')


def scores(model, folder):
    """Raw scores of the test clips of a folder, by the config alone."""
    model.cfg.test_dataloader.dataset.data_root = str(folder)
    with DefaultScope.overwrite_default_scope('mmaction'):
        data = DATASETS.build(model.cfg.test_dataloader.dataset)
    with torch.no_grad():
        samples = model.test_step(pseudo_collate(list(data)))
    return np.stack([sample.pred_score.numpy() for sample in samples])


def rewrite(path, change):
    """Change what a checkpoint holds."""
    content = torch.load(path, weights_only=True)
    change(content)
    torch.save(content, path)


def test_a_checkpoint_knows_its_way(trained):
    """Read as data alone; it says what prediction must be told."""
    path = trained.run / f'epoch_{EPOCHS}.pth'
    said = torch.load(path, weights_only=True)['meta']['hpnet']
    # objects, lists, texts and numbers: nothing that JSON would change
    assert json.loads(json.dumps(said)) == said
    for found in (load_trained(trained.run), load_trained(path),
                  load_trained(str(trained.run), path)):
        assert found.folder == str(trained.run)
        assert found.checkpoint == str(path)
        about = found.description
        assert about.name == 'hp_j_mine' and about.classes == trained.classes
        assert about.facts['title'] == 'mine'
        # 20 frames at 10 a second, every second one of which is stored
        assert about.windows == dict(median=2, longest=2, fps=5)
        assert about.input['taps'] == ['tap'] and about.input['frames'] == 8
        assert about.output == 'logit' and about.calibration is None
        assert about.training['seed'] == 0
        assert about.training['versions']['torch'] == version('torch')
        assert (about.training['epoch'], about.training['epochs']) == (
            EPOCHS, EPOCHS)
        last = about.training['results'][0]
        # validation follows the checkpoint of an epoch
        assert (last['part'], last['split'], last['epoch']) == (
            'val', 'val', EPOCHS - 1)
        assert set(last['metrics']) == {'acc/top1', 'acc/top5',
                                        'acc/mean_class'}


def test_the_toolbox_gives_the_same_scores(trained, run, tmp_path):
    """By mim's test, by the work dir, and by the folder made of it."""
    assert main(['test', str(run), '--dump', str(tmp_path / 'x.pkl')]) == 0
    with open(tmp_path / 'x.pkl', 'rb') as file:
        dumped = {s['frame_dir']: s['pred_score'].numpy()
                  for s in pickle.load(file)}
    dumped = np.stack([dumped[f'test{i}'] for i in range(12)])
    found = load_trained(run)
    order = np.argsort([f'test{i}' for i in range(12)])
    direct = scores(found.build(), trained.folder)
    np.testing.assert_allclose(direct, dumped[order], atol=1e-5)
    saved = save_pretrained(found, tmp_path / 'model')
    shutil.rmtree(run)
    again = from_pretrained(tmp_path / 'model')
    np.testing.assert_array_equal(
        scores(again.build(), trained.folder), direct)
    # the results of its run, the test's as well, which the checkpoint lacks
    results = {(r['part'], r.get('epoch')): r
               for r in saved.description.training['results']}
    assert set(results) == {('val', EPOCHS), ('test', None)}
    right = (direct.argmax(1) == np.argsort(order) * 0 + order % 3).mean()
    assert results['test', None]['metrics']['acc/top1'] == \
        pytest.approx(right)
    card = (tmp_path / 'model/README.md').read_text()
    for text in ('# hp_j_mine', 'fall, sit down, wave', 'mine test',
                 f'top1 {100 * right:.2f}', '2.0 s (median)', '## Licence',
                 f'{EPOCHS} of {EPOCHS} epochs'):
        assert text in card, text
    assert again.description == saved.description
    # nothing else changed than where the folder was
    text = (tmp_path / 'model/hpnet.json').read_text() + card
    assert str(tmp_path) not in text and str(trained.folder) not in text
    config = repr(found.description.config).replace(
        str(trained.folder), 'mine')
    assert repr(again.description.config) == config.replace(
        str(trained.run), 'hp_j_mine')
    assert again.description.classes == trained.classes


def test_older_checkpoints(trained, run, tmp_path):
    """Described by the config beside them and the folder it names."""
    path = run / f'epoch_{EPOCHS}.pth'
    rewrite(path, lambda content: content['meta'].pop('hpnet'))
    new, old = (load_trained(folder).description
                for folder in (trained.run, run))
    for key in ('classes', 'facts', 'windows', 'input', 'output', 'config'):
        assert getattr(old, key) == getattr(new, key), key
    assert old.training['epoch'] == EPOCHS
    hidden = trained.folder.rename(trained.folder.parent / 'hidden')
    try:
        with pytest.raises(TrainedError, match='mine, which has what is '
                                               'missing, is not there'):
            load_trained(run)
    finally:
        hidden.rename(trained.folder)
    alone = shutil.copy(path, tmp_path)
    with pytest.raises(TrainedError, match='no config in'):
        load_trained(alone)


def test_what_made_the_features(trained, tmp_path):
    """Nets by name and sha256; of older folders by the sha256 alone."""
    folder = shutil.copytree(trained.folder, tmp_path / 'mine')
    config = load_trained(trained.run).description.config
    for phase in ('train', 'val', 'test'):
        config[f'{phase}_dataloader']['dataset']['data_root'] = str(folder)
    assert describing.describe(config, 'run').extraction == {}
    made = dict(
        taps=dict(tap=3), region=1, clips=dict(stored=36), splits={},
        pose=dict(config='x.py', sha256='0e67c616' + 56 * '0'),
        detector=dict(name='hog', sha256=None, zoo='hog'))
    (folder / 'extraction.json').write_text(json.dumps(made))
    found = describing.describe(config, 'run').extraction
    assert found == dict(
        taps=dict(tap=3), region=1, detector=made['detector'],
        pose=dict(made['pose'], zoo='hrnet-w48'))
    (folder / 'extraction.json').write_text('{')
    assert describing.describe(config, 'run').extraction == {}
    # the folder's own word on lengths, where there is one
    facts = json.loads((folder / 'dataset.json').read_text())
    facts.update(clips=dict(seconds=dict(median=3, longest=4)), fps=25)
    (folder / 'dataset.json').write_text(json.dumps(facts))
    assert describing.describe(config, 'run').windows == dict(
        median=3, longest=4, fps=25)


def test_a_training_goes_on_without(trained, tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError('no way')
    monkeypatch.setattr(describing, 'describe', fail)
    config = Config(load_trained(trained.run).description.config)
    config.merge_from_dict({
        'work_dir': str(tmp_path), 'train_cfg.max_epochs': 1,
        'val_cfg': None, 'val_dataloader': None, 'val_evaluator': None})
    with DefaultScope.overwrite_default_scope('mmaction'):
        runner = CheckedRunner.from_cfg(config)
        runner.save_checkpoint(str(tmp_path), 'epoch_1.pth', by_epoch=False,
                               save_optimizer=False,
                               save_param_scheduler=False)
    assert torch.load(tmp_path / 'epoch_1.pth', weights_only=True)[
        'meta']['hpnet'] is None
    log, = tmp_path.glob('*/*.log')
    assert 'no description of its model: RuntimeError: no way' in \
        log.read_text()


def test_calibration_is_of_one_checkpoint(trained, run):
    """That of another epoch or of another training is none."""
    found = load_trained(run)
    said = dict(temperature=2., threshold=.5)
    path = write_calibration(found, said)
    assert load_trained(run).description.calibration['temperature'] == 2
    content = json.loads(open(path).read())
    for key in ('checkpoint', 'saved'):
        with open(path, 'w') as file:
            json.dump({**content, key: 'other'}, file)
        assert load_trained(run).description.calibration is None


def test_refused(trained, run, tmp_path):
    with pytest.raises(FileNotFoundError, match='no such file or folder'):
        load_trained(tmp_path / 'none')
    os.mkdir(tmp_path / 'empty')
    with pytest.raises(FileNotFoundError, match='holds no checkpoint'):
        load_trained(tmp_path / 'empty')
    with pytest.raises(FileNotFoundError, match='no such checkpoint'):
        load_trained(run, run / 'epoch_9.pth')
    path = run / f'epoch_{EPOCHS}.pth'
    rewrite(path, lambda c: c['state_dict'].pop('cls_head.fc.bias'))
    with pytest.raises(CheckpointError, match=r'1 missing \(cls_head.fc.b'):
        load_trained(path).build()
    rewrite(path, lambda c: c['meta']['hpnet'].update(classes=3))
    with pytest.raises(DescriptionError, match=r'_3.pth: classes = 3'):
        load_trained(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(CheckpointError, match='checkpoint: it is damaged'):
        load_trained(path)

    class Harm:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / 'harm'), )

    torch.save(dict(state_dict={}, meta=Harm()), path)
    with pytest.raises(CheckpointError, match='never code'):
        load_trained(path)
    assert not (tmp_path / 'harm').exists()
    torch.save([1], path)
    with pytest.raises(CheckpointError, match="has no 'state_dict'"):
        load_trained(path)


def test_damaged_folders(trained, tmp_path):
    folder = tmp_path / 'model'
    saved = save_pretrained(load_trained(trained.run), folder)
    with pytest.raises(TrainedError, match='leave the checkpoint'):
        load_trained(folder, 'x.pth')
    with pytest.raises(TrainedError, match='take another'):
        save_pretrained(saved, folder)
    weights, text = folder / 'model.safetensors', folder / 'hpnet.json'
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-5])
    with pytest.raises(CheckpointError, match='model.safetensors is damaged'):
        load_trained(folder).state()
    weights.unlink()
    with pytest.raises(FileNotFoundError, match='model.safetensors'):
        load_trained(folder)
    content = text.read_text()
    text.write_text(content[:200])
    with pytest.raises(DescriptionError, match='hpnet.json is no JSON file'):
        load_trained(folder)
    text.write_text(content.replace('"logit"', '"logits"'))
    with pytest.raises(DescriptionError, match="output = 'logits'"):
        load_trained(folder)
    for key, wrong in (('extraction', dict(pose='tiny')),
                       ('calibration', dict(temperature='high'))):
        text.write_text(json.dumps({**json.loads(content), key: wrong}))
        with pytest.raises(DescriptionError, match=f'{key} = '):
            load_trained(folder)


def test_descriptions_of_no_model(trained, tmp_path):
    """What the parts of a config, or its weights, do not fit, is a line."""
    folder = tmp_path / 'model'
    save_pretrained(load_trained(trained.run), folder)
    text = folder / 'hpnet.json'
    whole = text.read_text()
    for change, message in (
            (lambda c: c.pop('model'), 'cannot be built: AttributeError: '),
            (lambda c: c['model']['backbone'].update(nosuch=1), 'nosuch'),
            (lambda c: c['model'].update(type='Nosuch'),
             "cannot be built: 'Nosuch' is no registered class"),
            (lambda c: c['model']['cls_head'].update(num_classes=7),
             'model.safetensors: does not fit the model'),
            (lambda c: c.pop('test_dataloader'), 'the test pipeline of')):
        content = json.loads(whole)
        change(content['config'])
        text.write_text(json.dumps(content))
        with pytest.raises(ValueError, match=message):
            TorchScorer(load_trained(folder))


def test_a_config_that_says_nothing(tmp_path):
    """Beside a checkpoint that has no description."""
    torch.save(dict(state_dict={}, meta={}), tmp_path / 'x.pth')
    config = tmp_path / 'config.py'
    config.write_text('a = 1')
    with pytest.raises(TrainedError, match='nor is there one in'):
        load_trained(tmp_path / 'x.pth')
    config.write_text('import os, sys')
    with pytest.raises(ValueError, match='cannot be read as a config'):
        load_trained(tmp_path / 'x.pth')


def test_a_fusion(trained, tmp_path):
    one = load_trained(trained.run)
    saved = save_pretrained([one, one], tmp_path / 'fusion')
    # their dataset's weights; of its streams, logits
    assert [dict(weight=.1, scores='logit')] * 2 == [
        dict(weight=m['weight'], scores=m['scores'])
        for m in saved.description.members]
    assert saved.checkpoint is None and saved.state() == {}
    with pytest.raises(TrainedError, match='build its members'):
        saved.build()
    # moved and copied: paths are relative
    moved = (tmp_path / 'fusion').rename(tmp_path / 'moved')
    copied = save_pretrained(load_trained(moved), tmp_path / 'copied')
    assert copied.description == saved.description
    expected = scores(one.build(), trained.folder)
    for member, weight in copied.members:
        assert weight == .1
        np.testing.assert_array_equal(
            scores(member.build(), trained.folder), expected)
    assert '| 0.1 | logits |' in (
        tmp_path / 'copied/README.md').read_text()
    shutil.rmtree(tmp_path / 'copied/hp_j_mine_1')
    with pytest.raises(FileNotFoundError, match='hp_j_mine_1'):
        load_trained(tmp_path / 'copied')
    with pytest.raises(TrainedError, match='is a fusion itself'):
        save_pretrained([load_trained(moved), one], tmp_path / 'x',
                        [Member('a', 1, 'logit'), Member('b', 1, 'logit')])


def other(trained, **changes):
    """The model with another description."""
    found = load_trained(trained.run)
    return dataclasses.replace(found, description=dataclasses.replace(
        found.description, **changes))


def test_members(trained, tmp_path):
    """Logits of streams, probabilities of HP-Net."""
    one = load_trained(trained.run)
    whole = other(trained, name='hpnet', config=dict(model=dict(
        type='XCLIPRecognizer', topology=dict(type='SMCLM'))))
    assert default_members([one, whole]) == [
        Member('hp_j_mine', .1, 'logit'), Member('hpnet', 6, 'probability')]
    assert [m.weight for m in default_members([one, whole], [2, 3])] == [2, 3]
    mine = other(trained, config={}, input=None)
    # one that they have no weight of: all weigh the same
    assert [m[1:] for m in default_members([whole, mine])] == [
        (1, 'logit'), (1, 'logit')]
    sure = other(trained, config={}, input=None, output='probability')
    assert [m[1:] for m in default_members([one, sure])] == [
        (1, 'probability'), (1, 'probability')]
    for changes, text in (
            (dict(classes=trained.classes[::-1]), 'same classes'),
            (dict(output='probability'), 'no logits')):
        with pytest.raises(TrainedError, match=text):
            save_pretrained([one, other(trained, **changes)], tmp_path / 'x',
                            [Member('a', 1, 'logit'),
                             Member('b', 1, 'logit')])
    nets = [other(trained, extraction=dict(pose=dict(sha256=digest)))
            for digest in ('1' * 64, '2' * 64)]
    with pytest.raises(TrainedError, match='different pose nets'):
        save_pretrained(nets, tmp_path / 'x')
    assert not (tmp_path / 'x').exists()
