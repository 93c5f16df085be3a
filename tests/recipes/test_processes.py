"""What several processes change in a config, and what stays a user's own."""
import pytest

from hpnet_plugin.recipes import compose
from hpnet_plugin.recipes.checks import ConfigError
from hpnet_plugin.recipes.processes import (
    first_of_machine,
    processes,
    shared,
)

STREAM = 'train_dataloader.batch_size', 'optim_wrapper.accumulative_counts'


def changed(config, key, value):
    *path, last = key.split('.')
    place = config
    for part in path:
        place = place[part]
    place[last] = value
    return config


@pytest.mark.parametrize('recipe, settings, count, expected', [
    ('stream', {}, 4, {STREAM[0]: 16, 'sync_bn': 'torch'}),
    ('stream', dict(size='small'), 2, {STREAM[0]: 8, 'sync_bn': 'torch'}),
    # steps are taken in turn, each with norms of its own
    ('hpnet', {}, 2, {STREAM[1]: 4, 'sync_bn': None}),
    ('hpnet', dict(size='small'), 4, {STREAM[0]: 4, 'sync_bn': 'torch'}),
    ('posec3d', {}, 8, {}), ('posec3d', {}, 2, {STREAM[1]: 4}),
    ('stream', {}, 1, {}), ('posec3d', {}, 1, {})])
def test_a_recipe_is_shared(recipe, settings, count, expected):
    config = compose(recipe, benchmark='ntu120', **settings)
    assert shared(config, count) == expected


@pytest.mark.parametrize('key, value', [
    ('train_dataloader.batch_size', 16), ('optim_wrapper.optimizer.lr', .2),
    ('optim_wrapper.accumulative_counts', 2), ('sync_bn', 'torch'),
    ('auto_scale_lr.enable', True), ('composed', None)])
def test_what_was_set_by_hand_is_for_each_process(key, value):
    config = compose('stream', benchmark='ntu120')
    assert shared(changed(config, key, value), 4) == {}


def test_an_update_that_cannot_be_shared():
    with pytest.raises(ConfigError, match='64 clips, 64 a step: 3 .* take 1 '
                       'or 2 or 4 or 8 or 16 or 32 or 64, or say what each'):
        shared(compose('stream', benchmark='ntu120'), 3)


def test_launchers_say_how_many_there_are():
    torchrun = dict(WORLD_SIZE='4', RANK='3', LOCAL_RANK='1')
    slurm = dict(SLURM_NTASKS='8', SLURM_PROCID='4', SLURM_LOCALID='0')
    assert processes('pytorch', torchrun) == 4
    assert processes('slurm', slurm) == 8
    # within an allocation, not started by srun
    assert processes('none', slurm) == processes(None, slurm) == 1
    assert not first_of_machine(torchrun)
    assert first_of_machine(slurm) and first_of_machine({})
