"""Batches are the same whoever stacks them, and memory is used again."""
import numpy as np
import pytest
import torch
from mmaction.structures import ActionDataSample
from mmengine.dataset import pseudo_collate
from mmengine.registry import FUNCTIONS
from torch.utils.data import DataLoader, Dataset

from hpnet_plugin.datasets.batches import MOST, stack_in_worker
from hpnet_plugin.models import BatchDataPreprocessor, HPNetDataPreprocessor

CLIPS = 48


class Clips(Dataset):
    """Clip i is full of i; ``kinds`` says of what shape and type."""

    def __init__(self, **kinds):
        self.kinds = kinds

    def __len__(self):
        return CLIPS

    def __getitem__(self, i):
        inputs = {name: torch.full((shape[i % len(shape)], 5), i, dtype=dtype)
                  for name, (shape, dtype) in self.kinds.items()}
        sample = ActionDataSample(metainfo=dict(frame_dir=f'clip{i}'))
        sample.set_gt_label(i)
        return dict(inputs=inputs if len(inputs) > 1 else
                    next(iter(inputs.values())), data_samples=sample)


HALVES = Clips(x=((7, ), torch.float16))


def load(clips, workers, size, collate=stack_in_worker):
    return DataLoader(clips, size, num_workers=workers, collate_fn=collate,
                      multiprocessing_context='fork' if workers else None)


@pytest.mark.parametrize('workers, size', [(0, 5), (1, 16), (2, 1), (2, 5)])
def test_clips_of_any_batch(workers, size):
    found = []
    for batch in load(HALVES, workers, size):
        assert type(batch['inputs']) is type(batch['data_samples']) is list
        for clip, sample in zip(batch['inputs'], batch['data_samples']):
            assert clip.dtype == torch.float16 and clip.shape == (7, 5)
            assert (clip == clip[0, 0]).all()
            assert type(sample.gt_label) is torch.Tensor
            assert sample.gt_label.tolist() == [int(clip[0, 0])]
            assert sample.frame_dir == f'clip{int(clip[0, 0])}'
            found.append(int(clip[0, 0]))
    assert found == list(range(CLIPS))


def test_memory_is_used_again_but_not_what_somebody_holds():
    """One value of the first batch holds all of its memory, no more."""
    places, kept = [], None
    for batch in load(HALVES, 1, 1):
        clip, = batch['inputs']
        kept = clip[0, :1].detach() if kept is None else kept
        places.append(clip.data_ptr())
        clip += 1  # it may be written to, and nobody else sees it
    assert kept == 1
    assert places.count(places[0]) == 1
    assert len(set(places)) < 10


def test_whoever_keeps_everything():
    batches = list(load(HALVES, 1, 1))
    assert len(batches) > 2 * MOST
    assert [int(batch['inputs'][0][0, 0]) for batch in batches] == [
        *range(CLIPS)]


def test_other_shapes_and_types():
    """What cannot be one tensor arrives as pseudo_collate has it."""
    clips = Clips(a=((3, ), torch.uint8), b=((2, 4), torch.float32),
                  c=((3, ), torch.bfloat16))
    for batch, plain in zip(load(clips, 1, 4),
                            load(clips, 0, 4, pseudo_collate)):
        for name, inputs in plain['inputs'].items():
            for ours, stock in zip(batch['inputs'][name], inputs):
                assert ours.dtype == stock.dtype
                assert torch.equal(ours, stock)


def test_registered():
    from mmaction.registry import DATASETS
    DATASETS.get('PooledDataset')
    assert FUNCTIONS.get('stack_in_worker') is stack_in_worker


class TestBatchDataPreprocessor:

    @pytest.mark.parametrize('kwargs', [
        {}, dict(mean=[1.], std=[3.], format_shape='NCTHW'),
        dict(to_float32=False)])
    @pytest.mark.parametrize('dtype', [torch.float16, torch.uint8])
    def test_is_the_stock_preprocessor(self, kwargs, dtype):
        from mmaction.models.data_preprocessors import ActionDataPreprocessor
        clips = [torch.randint(0, 99, (1, 2, 3, 4)).to(dtype)
                 for _ in range(3)]
        data = dict(inputs=clips, data_samples=[
            ActionDataSample(metainfo=dict(a=i)).set_gt_label(i)
            for i in range(3)])
        ours = BatchDataPreprocessor(**kwargs)(dict(data), True)
        stock = ActionDataPreprocessor(**kwargs)(dict(data), True)
        assert ours['inputs'].dtype == stock['inputs'].dtype
        assert torch.equal(ours['inputs'], stock['inputs'])
        for one, other, given in zip(ours['data_samples'],
                                     stock['data_samples'],
                                     data['data_samples']):
            assert one.to_dict() == other.to_dict()
            assert one.metainfo == other.metainfo
            one.set_pred_score(torch.ones(3)).set_metainfo(dict(b=1))
            assert not {'pred_score', 'b'} & {*given.all_keys()}

    def test_memory_is_used_again_but_not_what_somebody_holds(self):
        prepare = BatchDataPreprocessor()

        def batch(value):
            return prepare.preprocess(
                [torch.full((2, 3), value, dtype=torch.float16)] * 2, [])[0]

        first = batch(1.)
        held, place = first[1, 0, :1], first.data_ptr()
        del first
        second = batch(2.)
        assert held.item() == 1 and second.data_ptr() != place
        del held
        third = batch(3.)
        assert third.data_ptr() == place and (second == 2).all()
        assert place % 64 == 0  # as torch's own memory

    def test_copies_share_no_memory(self):
        import copy
        prepare = BatchDataPreprocessor()
        clips = [torch.ones(4)]
        first = prepare.preprocess(clips, [])[0]
        second = copy.deepcopy(prepare).preprocess(clips, [])[0]
        assert first.data_ptr() != second.data_ptr()

    def test_one_transfer_of_what_lies_together(self, monkeypatch):
        """Labels and clips travel together, and arrive one by one."""
        clips = torch.arange(12.).half().reshape(3, 4)
        samples = [ActionDataSample().set_gt_label(i) for i in range(3)]
        prepare = BatchDataPreprocessor().to('meta')
        moves, to = [], torch.Tensor.to
        monkeypatch.setattr(torch.Tensor, 'to', lambda self, *args, **kwargs: (
            moves.append(self.shape), to(self, *args, **kwargs))[1])
        for inputs, expected in (
                (list(clips), [(3, 4)]), (list(clips)[::-1], [(4, )] * 3),
                (list(clips)[::2], [(4, )] * 2)):
            moves.clear()
            moved = prepare.cast_data(dict(
                inputs=inputs, data_samples=samples[:len(inputs)]))
            assert moves == [*expected, (len(inputs), 1)]
            assert [one.shape for one in moved['inputs']] == [
                (4, )] * len(inputs)
            assert moved['data_samples'][1].gt_label.device.type == 'meta'

    def test_of_several_modalities(self):
        prepare = HPNetDataPreprocessor(dict(
            a=dict(type='ActionDataPreprocessor'),
            b=dict(type='BatchDataPreprocessor')))
        clips = Clips(a=((3, ), torch.uint8), b=((7, ), torch.float16))
        for i, batch in enumerate(load(clips, 1, 16)):
            inputs = prepare(batch)['inputs']
            for one, frames in ((inputs['a'], 3), (inputs['b'], 7)):
                assert one.dtype == torch.float32
                np.testing.assert_array_equal(one, np.broadcast_to(
                    np.arange(16 * i, 16 * i + 16)[:, None, None],
                    (16, frames, 5)))
