"""Closed forms, stock functions, and real files of a small store."""
import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmaction.registry import TRANSFORMS

from hpnet_plugin.graph import bone_pairs
from hpnet_plugin.resampling import linear_weights, resize
from hpnet_plugin.store import StoreWriter
from hpnet_plugin.streams import stream


def build(name, **kwargs):
    return TRANSFORMS.build(dict(type=name, **kwargs))


@pytest.fixture
def clip():
    """Two people, nine frames; the second is absent in the last four."""
    rng = np.random.RandomState(0)
    results = dict(
        frame_dir='clip0',
        total_frames=9,
        img_shape=(100, 200),
        keypoint=rng.uniform(5, 90, (2, 9, 17, 2)).astype(np.float32),
        keypoint_score=rng.uniform(.1, 1, (2, 9, 17)).astype(np.float32),
        pooled_feat=rng.uniform(0, 9, (2, 9, 17, 6)).astype(np.float16))
    for key in ('keypoint', 'keypoint_score', 'pooled_feat'):
        results[key][1, 5:] = 0
        results[key].flags.writeable = False  # as a memory-mapped file is
    return results


ARRAYS = ('keypoint', 'keypoint_score', 'pooled_feat')


@pytest.fixture
def store(tmp_path, clip):
    root = tmp_path / 'features'
    with StoreWriter(str(root), dict(version=1, taps=dict(a=4, b=2))) as out:
        feat = clip['pooled_feat']
        out.add('clip0', {
            'a': feat[..., :4], 'b': feat[..., 4:],
            'keypoint': clip['keypoint'],
            'keypoint_score': clip['keypoint_score']
        }, dict(img_shape=[100, 200]))
    return root


class TestLoadPooledFeature:

    def test_folder_of_frame_dir(self, store, clip):
        """PoseDataset's data_prefix puts the store before the name."""
        feat = clip.pop('pooled_feat')
        clip['frame_dir'] = str(store / 'clip0')
        out = build('LoadPooledFeature', tap=['a', 'b'])(clip)
        np.testing.assert_array_equal(out['pooled_feat'], feat)
        assert out['pooled_feat'].dtype == np.float16
        assert out['frame_dir'] == 'clip0'

    def test_one_tap_is_a_view_of_the_file(self, store, clip):
        feat = clip.pop('pooled_feat')
        out = build('LoadPooledFeature', store=str(store), tap='b')(clip)
        np.testing.assert_array_equal(out['pooled_feat'], feat[..., 4:])
        assert not out['pooled_feat'].flags.writeable
        assert not out['pooled_feat'].flags.owndata

    def test_sampled_frames(self, store, clip):
        feat = clip.pop('pooled_feat')
        clip['frame_inds'] = np.array([7, 0, 0], np.int32)
        out = build('LoadPooledFeature', store=str(store), tap='a')(clip)
        np.testing.assert_array_equal(out['pooled_feat'],
                                      feat[:, [7, 0, 0], :, :4])

    def test_travels_to_a_worker_unopened_and_open(self, store, clip):
        transform = build('LoadPooledFeature', store=str(store), tap='a')
        pickle.loads(pickle.dumps(transform))
        first = transform(dict(clip))['pooled_feat']
        again = pickle.loads(pickle.dumps(transform))(dict(clip))
        np.testing.assert_array_equal(first, again['pooled_feat'])

    def test_disagreement_with_the_annotation(self, store, clip):
        load = build('LoadPooledFeature', store=str(store), tap='a')
        with pytest.raises(ValueError, match=r'clip0.*\(2, 9, 17\).*8, 17'):
            load(dict(clip, total_frames=8))
        with pytest.raises(ValueError, match=r'\(1, 9, 17\)'):
            load(dict(clip, keypoint=clip['keypoint'][:1]))

    def test_unknown_clip_tap_and_store(self, store, clip):
        load = build('LoadPooledFeature', store=str(store), tap='a')
        with pytest.raises(KeyError, match='clip9.*clip0'):
            load(dict(clip, frame_dir='clip9'))
        with pytest.raises(KeyError, match='no tap'):
            build('LoadPooledFeature', store=str(store), tap='z')(clip)
        with pytest.raises(ValueError, match='no store'):
            build('LoadPooledFeature')(clip)


class TestResizeTemporal:

    @pytest.mark.parametrize('frames, length', [
        (9, 64), (64, 64), (158, 64), (1000, 64), (1, 5), (7, 3), (50, 1)])
    def test_is_interpolate(self, frames, length):
        rng = np.random.RandomState(frames)
        x = rng.standard_normal((2, frames, 3, 4)).astype(np.float32)
        flat = torch.from_numpy(x).permute(0, 2, 3, 1).flatten(0, 2)[:, None]
        expected = F.interpolate(
            flat, size=length, mode='linear', align_corners=False)
        expected = expected.reshape(2, 3, 4, length).permute(0, 3, 1, 2)
        out = build('ResizeTemporal', length=length)(
            dict(keypoint=x, total_frames=frames))
        np.testing.assert_allclose(
            out['keypoint'], expected, atol=1e-4 if frames > 64 else 1e-5)
        assert out['total_frames'] == length == out['clip_len']

    def test_touches_only_what_counts(self):
        """reference.md 1.7: at most 128 frames of any clip count."""
        earlier, later, weight = linear_weights(1000, 64)
        assert len({*earlier, *later}) <= 128
        x = np.full((1, 1000, 2, 3), np.nan, np.float32)
        x[:, earlier] = 1
        x[:, later] = 1
        out = build('ResizeTemporal')(dict(keypoint=x))['keypoint']
        assert (out == 1).all()
        earlier, later, weight = linear_weights(64, 64)
        assert (earlier == later).all() and not weight.any()

    def test_absent_people_are_not_blended(self):
        """There until frame 5 of 9: each joint is where it was, or zero."""
        x = np.zeros((1, 9, 17, 2), np.float32)
        x[:, :5] = [500, 300]
        clip = dict(keypoint=x, keypoint_score=x[..., 0] / 500,
                    pooled_feat=x.astype(np.float16))
        out = build('ResizeTemporal', length=20)(clip)
        for key, value in (('keypoint', [500, 300]), ('keypoint_score', 1),
                           ('pooled_feat', [500, 300])):
            there = out[key].any(tuple(range(2, out[key].ndim)))[0]
            # frame t looks at (t + .5) * .45 - .5, nearer to 4 than to 5
            assert there.tolist() == [t < 11 for t in range(20)]
            assert (out[key][:, there] == value).all()

    def test_all_arrays_and_their_types(self, clip):
        out = build('ResizeTemporal', length=4)(dict(clip))
        for key in ARRAYS:
            assert out[key].shape[:3] == (2, 4, 17)
            assert out[key].dtype == clip[key].dtype

    def test_a_ramp_stays_a_ramp(self):
        x = np.arange(1, 11, dtype=np.float32).reshape(1, 10, 1, 1)
        out = build('ResizeTemporal', length=5)(dict(keypoint=x))['keypoint']
        np.testing.assert_allclose(out.ravel(), [1.5, 3.5, 5.5, 7.5, 9.5])

    def test_bad_input(self, clip):
        resize = build('ResizeTemporal')
        with pytest.raises(KeyError, match='pooled_feat'):
            resize(dict(frame_dir='x'))
        with pytest.raises(ValueError, match='clip0.*disagree'):
            resize(dict(clip, keypoint=clip['keypoint'][:, :5]))
        with pytest.raises(ValueError, match='no frames'):
            resize(dict(keypoint=np.zeros((1, 0, 17, 2))))
        with pytest.raises(ValueError, match='4 sampled clips'):
            resize(dict(clip, num_clips=4))
        with pytest.raises(ValueError, match='length'):
            build('ResizeTemporal', length=0)


class TestGenPooledStream:

    @pytest.mark.parametrize('name', ['j', 'b', 'jm', 'bm'])
    @pytest.mark.parametrize('key', ['keypoint', 'pooled_feat'])
    def test_any_channels_own_memory(self, clip, name, key):
        before = clip[key].copy()
        out = build('GenPooledStream', stream=name, key=key)(dict(clip))[key]
        out += 1
        np.testing.assert_array_equal(clip[key], before)
        assert out.shape == before.shape and out.dtype == before.dtype

    def test_values(self, clip):
        x = clip['pooled_feat']
        out = build('GenPooledStream', stream='bm', pairs=bone_pairs(
            'released'))(dict(clip))['pooled_feat']
        bone = x[:, :, 9] - x[:, :, 7]
        np.testing.assert_array_equal(out[:, 2, 9], bone[:, 3] - bone[:, 2])

    @pytest.mark.parametrize('name', ['b', 'jm', 'bm'])
    def test_halves_have_the_bits_of_numpy(self, name):
        rng = np.random.RandomState(0)
        bits = rng.randint(0, 1 << 16, (2, 30, 17, 8)).astype(np.uint16)
        x = bits.view(np.float16)  # of all kinds: infinite, subnormal, none
        out = build('GenPooledStream', stream=name)(dict(pooled_feat=x))[
            'pooled_feat']
        with np.errstate(invalid='ignore', over='ignore'):
            expected = stream(x, name, bone_pairs('coco'))
        nan = np.isnan(expected)
        np.testing.assert_array_equal(np.isnan(out), nan)
        np.testing.assert_array_equal(out.view(np.uint16)[~nan],
                                      expected.view(np.uint16)[~nan])

    def test_unknown_stream(self):
        with pytest.raises(ValueError, match="'x'"):
            build('GenPooledStream', stream='x')


class TestFormatPooledInput:

    def test_stock_agrees(self, clip):
        """FormatGCNInput, for one, two and more people than slots."""
        for people, slots in ((1, 2), (2, 2), (2, 1), (2, 3)):
            x = clip['keypoint'][:people]
            for pad, mode in (('zero', 'zero'), ('repeat', 'loop')):
                if pad == 'repeat' and people > 1 and slots > people:
                    continue  # the stock loop knows one person only
                expected = build('FormatGCNInput', num_person=slots,
                                 mode=mode)(dict(keypoint=x))['keypoint']
                out = build('FormatPooledInput', num_person=slots, pad=pad,
                            key='keypoint')(dict(keypoint=x))['keypoint']
                np.testing.assert_array_equal(out, expected)
                assert out.flags.c_contiguous

    def test_clips(self, clip):
        x = clip['pooled_feat'][:, :8]
        out = build('FormatPooledInput', num_person=1)(
            dict(pooled_feat=x, num_clips=2))['keypoint']
        assert out.shape == (2, 1, 4, 17, 6)
        np.testing.assert_array_equal(out[1, 0], x[0, 4:])
        with pytest.raises(ValueError, match='3 clips'):
            build('FormatPooledInput')(dict(pooled_feat=x, num_clips=3))

    def test_features_stay_half_and_are_packed(self, clip):
        results = build('FormatPooledInput', num_person=4)(dict(clip))
        assert results['keypoint'].dtype == np.float16
        np.testing.assert_array_equal(results['keypoint'][0, 2],
                                      clip['pooled_feat'][0])
        np.testing.assert_array_equal(results['keypoint'][0, 3],
                                      clip['pooled_feat'][1])
        packed = build('PackActionInputs', meta_keys=('frame_dir', ))(results)
        assert packed['inputs'].shape == (1, 4, 9, 17, 6)
        assert packed['data_samples'].frame_dir == 'clip0'

    def test_bad_input(self):
        with pytest.raises(ValueError, match="'loop'"):
            build('FormatPooledInput', pad='loop')
        with pytest.raises(ValueError, match='nobody'):
            build('FormatPooledInput')(
                dict(pooled_feat=np.zeros((0, 4, 17, 2))))


class TestNormalizeKeypoint:

    def test_place_and_size_do_not_matter(self, clip):
        normalize = build('NormalizeKeypoint')
        there = clip['keypoint'] != 0
        moved = np.where(there, 3.5 * clip['keypoint'] + [40, 700], 0)
        first = normalize(dict(clip))['keypoint']
        second = normalize(dict(clip, keypoint=moved))
        np.testing.assert_allclose(first, second['keypoint'], atol=1e-4)
        assert first.dtype == second['keypoint'].dtype == np.float32
        assert (first[~there] == 0).all()

    def test_closed_form(self):
        """Two joints 2 apart that walk: centre in the middle, scale 1."""
        x = np.zeros((1, 3, 2, 2), np.float32)
        x[0, :, :, 0] = np.array([[10.], [20.], [30.]])
        x[0, :, :, 1] = [4, 6]
        out = build('NormalizeKeypoint')(dict(keypoint=x))
        np.testing.assert_allclose(out['keypoint_centre'], [20, 5])
        assert out['keypoint_scale'] == pytest.approx(1)
        np.testing.assert_allclose(out['keypoint'][0, 0], [[-10, -1],
                                                           [-10, 1]])

    def test_nobody(self):
        out = build('NormalizeKeypoint')(
            dict(keypoint=np.zeros((1, 3, 17, 2), np.float32)))
        assert (out['keypoint'] == 0).all()


class TestCentrePooled:

    def test_per_joint(self, clip):
        out = build('CentrePooled')(dict(clip))['pooled_feat']
        assert out.dtype == np.float16
        assert np.abs(out[0].mean(0, dtype=np.float32)).max() < 5e-3
        assert np.abs(out[1, :5].mean(0, dtype=np.float32)).max() < 5e-3
        assert (out[1, 5:] == 0).all()

    def test_a_still_clip_becomes_zero(self):
        x = np.random.rand(1, 1, 17, 3).astype(np.float16).repeat(6, 1)
        per_joint = build('CentrePooled', per='joint')
        assert np.abs(per_joint(dict(pooled_feat=x))['pooled_feat']).max() \
            < 1e-3
        per_channel = build('CentrePooled', per='channel')
        out = per_channel(dict(pooled_feat=x))['pooled_feat']
        expected = x - x[:, 0].mean(1, dtype=np.float32)[:, None, None]
        np.testing.assert_allclose(out, expected, atol=2e-3)

    def test_unknown(self):
        with pytest.raises(ValueError, match="'clip'"):
            build('CentrePooled', per='clip')


class TestAugmentation:

    def test_flip_twice(self, clip):
        flip = build('FlipJoints', flip_ratio=1)
        out = flip(flip(dict(clip)))
        for key in ARRAYS:
            np.testing.assert_allclose(out[key], clip[key], rtol=1e-5)
            assert out[key].dtype == clip[key].dtype

    def test_flip_once(self, clip):
        out = build('FlipJoints', flip_ratio=1)(dict(clip))
        np.testing.assert_array_equal(out['pooled_feat'][:, :, 9],
                                      clip['pooled_feat'][:, :, 10])
        there = clip['keypoint'][0, :, 16]
        np.testing.assert_allclose(out['keypoint'][0, :, 15, 0],
                                   199 - there[:, 0])
        np.testing.assert_array_equal(out['keypoint'][0, :, 15, 1],
                                      there[:, 1])
        assert (out['keypoint'][1, 5:] == 0).all()
        same = build('FlipJoints', flip_ratio=0)(dict(clip))
        np.testing.assert_array_equal(same['keypoint'], clip['keypoint'])

    def test_flip_of_normalised_joints(self, clip):
        clip = build('NormalizeKeypoint')(clip)
        with pytest.raises(ValueError, match='before NormalizeKeypoint'):
            build('FlipJoints')(clip)

    def test_flip_of_other_joints(self):
        with pytest.raises(ValueError, match="25 joints, layout 'coco' 17"):
            build('FlipJoints', flip_ratio=1)(
                dict(pooled_feat=np.zeros((1, 4, 25, 6))))

    def test_crop(self, clip):
        np.random.seed(1)
        crop = build('RandomTemporalCrop', min_ratio=.5)
        lengths, cuts = set(), set()
        for _ in range(200):
            out = crop(dict(clip))
            length = out['total_frames']
            lengths.add(length)
            cuts.add((length, out['frame_start']))
            starts = [start for start in range(9) if np.array_equal(
                out['pooled_feat'],
                clip['pooled_feat'][:, start:start + length])]
            assert starts and all(np.array_equal(
                out[key], clip[key][:, starts[0]:starts[0] + length])
                for key in ARRAYS)
        assert lengths == {5, 6, 7, 8, 9}
        # the first and the last start of every length
        assert cuts >= {(n, start) for n in range(5, 9)
                        for start in (0, 9 - n)}
        whole = build('RandomTemporalCrop', min_ratio=1)(dict(clip))
        assert whole['total_frames'] == 9

    def test_crop_of_the_pose_alone(self, clip):
        np.random.seed(1)
        out = build('RandomTemporalCrop', min_ratio=.5, keys=(
            'keypoint', 'keypoint_score'))(dict(clip))
        assert out['pooled_feat'] is clip['pooled_feat']
        stretches = [resize(clip['keypoint'][:, start:start + length], 9)
                     for length in range(5, 10)
                     for start in range(10 - length)]
        assert any(np.array_equal(out['keypoint'], one) for one in stretches)
        assert not np.array_equal(out['keypoint'], clip['keypoint'])
        assert 'frame_start' not in out
        with pytest.raises(ValueError, match='keys must be some of'):
            build('RandomTemporalCrop', keys=('imgs', ))

    def test_crop_of_a_crop(self, clip):
        """Where it starts is told of the stored clip."""
        np.random.seed(3)
        crop, starts = build('RandomTemporalCrop', min_ratio=.5), set()
        for _ in range(20):
            first = crop(dict(clip))
            before = first['frame_start']
            out = crop(first)
            start = out['frame_start']
            starts.add((before > 0, start > before))
            assert out['stored_frames'] == 9
            np.testing.assert_array_equal(
                out['pooled_feat'],
                clip['pooled_feat'][:, start:start + out['total_frames']])
        assert (True, True) in starts

    @pytest.mark.parametrize('name, axis', [('DropFrames', 1),
                                            ('DropJoints', 2)])
    def test_drop(self, clip, name, axis):
        np.random.seed(2)
        out = build(name, drop_ratio=.4)(dict(clip))
        gone = None
        for key in ARRAYS:
            others = tuple(i for i in range(out[key].ndim) if i != axis)
            empty = (out[key] == 0).all(others)
            assert gone is None or (gone == empty).all()
            gone = empty
            keep = (slice(None), ) * axis + (~empty, )
            np.testing.assert_array_equal(out[key][keep], clip[key][keep])
        assert 0 < gone.sum() < len(gone)
        nothing = build(name, drop_ratio=0)(dict(clip))
        for key in ARRAYS:
            np.testing.assert_array_equal(nothing[key], clip[key])

    @pytest.mark.parametrize('config', [
        dict(type='FlipJoints', flip_ratio=2),
        dict(type='RandomTemporalCrop', min_ratio=-1),
        dict(type='DropFrames', drop_ratio=1.5),
        dict(type='DropJoints', drop_ratio=-.1)])
    def test_ratios(self, config):
        with pytest.raises(ValueError, match='between 0 and 1'):
            TRANSFORMS.build(config)


@pytest.mark.parametrize('name', [
    'LoadPooledFeature', 'ResizeTemporal', 'GenPooledStream',
    'FormatPooledInput', 'NormalizeKeypoint', 'CentrePooled',
    'RandomTemporalCrop', 'FlipJoints', 'DropFrames', 'DropJoints'])
def test_repr_and_keys(name):
    transform = build(name)
    assert repr(transform).startswith(f'{name}(')
    doc = transform.__doc__
    assert 'Required Keys' in doc
    assert 'Modified Keys' in doc or 'Added Keys' in doc
