"""What of a config decides its result, and what is refused when it changes."""
import copy
import json

import pytest
from mmengine.config import Config

from hpnet_plugin.recipes import compose
from hpnet_plugin.reproduction.decisive import decisive, first_difference
from hpnet_plugin.reproduction.execution import ReproductionError
from hpnet_plugin.reproduction.records import update_record
from hpnet_plugin.reproduction.runs import Run


@pytest.fixture(scope='module')
def stream():
    return Config(compose('stream', stream='hp_j', benchmark='nw_ucla'))


@pytest.mark.parametrize('change, told', [
    (lambda c: c.param_scheduler[-1].update(milestones=[1, 2]),
     'param_scheduler.'),
    (lambda c: c.update(load_from='other.pth'), 'load_from was None'),
    (lambda c: c.model.update(type='Other'), 'model.type was'),
    (lambda c: c.optim_wrapper.optimizer.update(lr=1.), 'optimizer.lr was'),
    (lambda c: c.train_dataloader.update(batch_size=3), 'batch_size was'),
    (lambda c: c.test_dataloader.dataset.update(split='val'), 'split was'),
    (lambda c: c.train_cfg.update(max_epochs=1), 'max_epochs was'),
])
def test_what_decides(stream, change, told):
    changed = copy.deepcopy(stream)
    change(changed)
    found = first_difference(decisive(stream), decisive(changed))
    assert found is not None and told in found


def test_what_does_not(stream):
    """How data is read, where results go, and how memory is saved."""
    changed = copy.deepcopy(stream)
    for loader in (changed.train_dataloader, changed.test_dataloader):
        loader.update(num_workers=11, persistent_workers=False)
    changed.optim_wrapper.optimizer.update(fused=True)
    changed.model.backbone.update(grad_checkpointing=True)
    changed.update(work_dir='x', default_hooks=dict(), visualizer=None)
    assert first_difference(decisive(stream), decisive(changed)) is None
    assert json.loads(json.dumps(decisive(stream))) == decisive(stream)


@pytest.mark.parametrize('before, now, told', [
    (dict(a=[1, dict(b=2)]), dict(a=[1, dict(b=3)]), 'a.1.b was 2, it is 3'),
    ([1, 2, 3], [1, 2, 4], '2 was 3, it is 4'),
    ([1, 2], [1, 2, 3], ' was [1, 2], it is [1, 2, 3]'),
    (dict(a=1), dict(), 'a was 1, it is None'),
    (dict(), dict(b=1), 'b was None, it is 1'),
    (dict(a=[1]), dict(a=[1]), None),
])
def test_first_difference(before, now, told):
    assert first_difference(before, now) == told


def test_a_run_of_other_milestones_is_refused(root, tmp_path):
    run = Run(str(root / 'configs/stream.py'), 0, tmp_path)
    before = run._decisive(run.load())
    update_record(tmp_path, dict(decisive=before))
    run.check()
    scheduler = before['param_scheduler'][-1]
    key = next(key for key, value in scheduler.items()
               if type(value) in (int, float, list))
    scheduler[key] = 12345
    update_record(tmp_path, dict(decisive=before))
    with pytest.raises(ReproductionError, match=f'{key} was 12345'):
        run.check()
