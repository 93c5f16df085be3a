"""Views of clips, sampled segments, and joints beside features."""
import numpy as np
import pytest
from mmaction.registry import DATASETS, TRANSFORMS
from mmengine.registry import DefaultScope

from hpnet_plugin.datasets.sampling import Draw
from hpnet_plugin.graph import mirror_pairs
from hpnet_plugin.recipes import compose
from hpnet_plugin.views import clip_views, mirrored, view_spans


def build(name, **kwargs):
    return TRANSFORMS.build(dict(type=name, **kwargs))


def noise():
    """A person in twelve frames, absent in the last two."""
    rng = np.random.default_rng(0)
    results = dict(
        img_shape=(100, 200),
        keypoint=rng.uniform(5, 90, (1, 12, 17, 2)).astype('f4'),
        keypoint_score=rng.uniform(.1, 1, (1, 12, 17)).astype('f4'),
        pooled_feat=rng.uniform(1, 9, (1, 12, 17, 6)).astype('f2'))
    for key in ('keypoint', 'keypoint_score', 'pooled_feat'):
        results[key][:, 10:] = 0
    return results


@pytest.fixture
def clip():
    return noise()


def test_where_the_views_are():
    assert view_spans(9, 1, .5) == [(0, 9)]
    assert view_spans(12, 3, .5) == [(0, 6), (3, 9), (6, 12)]
    assert view_spans(10, 2, .1) == [(0, 1), (9, 10)]
    assert view_spans(1, 3, .5) == [(0, 1)] * 3


def test_views_are_stretches_that_were_resized(clip):
    resize = build('ResizeTemporal', length=4)
    whole = build('TemporalViews', length=4)(dict(clip))
    expected = resize(dict(clip))
    for key in ('keypoint', 'keypoint_score', 'pooled_feat'):
        np.testing.assert_array_equal(whole[key], expected[key])
    found = build('TemporalViews', length=4, views=3, share=.5)(dict(clip))
    assert (found['num_clips'], found['clip_len']) == (3, 4)
    for i, start in enumerate((0, 3, 6)):
        part = resize(dict(keypoint=clip['keypoint'][:, start:start + 6]))
        np.testing.assert_array_equal(
            found['keypoint'][:, 4 * i:4 * i + 4], part['keypoint'])


def test_the_mirror(clip):
    """A mirror of what is centred is what is mirrored and then centred."""
    order = mirror_pairs()
    flip = build('FlipJoints', flip_ratio=1)
    expected = build('NormalizeKeypoint')(flip(dict(clip)))
    centred = build('NormalizeKeypoint')(dict(clip))
    found = build('TemporalViews', length=12, mirror=True)(dict(centred))
    assert found['num_clips'] == 2
    np.testing.assert_array_equal(
        found['pooled_feat'][:, :12], clip['pooled_feat'])
    for key in ('keypoint', 'keypoint_score', 'pooled_feat'):
        np.testing.assert_allclose(
            found[key][:, 12:], expected[key], atol=1e-5)
        assert not found[key][:, 22:].any()
    # in pixels
    found = build('TemporalViews', length=12, mirror=True)(dict(clip))
    np.testing.assert_array_equal(
        found['keypoint'][:, 12:], flip(dict(clip))['keypoint'])
    twice = mirrored(mirrored(clip['keypoint'], order, 200, True), order,
                     200, True)
    np.testing.assert_allclose(twice, clip['keypoint'], atol=1e-4)
    with pytest.raises(ValueError, match='16 joints, the layout has 17'):
        mirrored(clip['keypoint'][:, :, 1:], order)


def test_motion_does_not_cross_from_view_to_view(clip):
    views = build('TemporalViews', length=5, views=2)(dict(clip))
    found = build('GenPooledStream', stream='jm', key='keypoint')(
        dict(views))['keypoint']
    for begin in (0, 5):
        part = views['keypoint'][:, begin:begin + 5]
        np.testing.assert_array_equal(
            found[:, begin:begin + 4], np.diff(part, axis=1))
        assert not found[:, begin + 4].any()
    with pytest.raises(ValueError, match='10 frames cannot be 3 clips'):
        build('GenPooledStream', stream='jm')(dict(views, num_clips=3))


def test_both_kinds_and_the_score(clip):
    """Bones of features and of joints; scores as they are."""
    clip = build('GenPooledStream', stream='bm',
                 key=['pooled_feat', 'keypoint'])(dict(clip))
    alone = {key: build('GenPooledStream', stream='bm', key=key)(
        noise())[key] for key in ('pooled_feat', 'keypoint')}
    score = clip['keypoint_score']
    found = build('AppendKeypoint', score=True)(clip)['pooled_feat']
    assert found.shape == (1, 12, 17, 9) and found.dtype == np.float16
    np.testing.assert_array_equal(found[..., :6], alone['pooled_feat'])
    np.testing.assert_array_equal(
        found[..., 6:8], alone['keypoint'].astype('f2'))
    np.testing.assert_array_equal(found[..., 8], score.astype('f2'))


def test_segments(clip):
    """One frame of each, in order; the middle ones in tests."""
    x = np.arange(12, dtype='f4').reshape(1, 12, 1, 1)
    sample = build('SampleSegments', length=4)
    seen = set()
    for seed in range(30):
        np.random.seed(seed)
        found = sample(dict(keypoint=x))
        frames = found['keypoint'].ravel()
        assert (frames // 3 == range(4)).all()
        assert (found['total_frames'], found['num_clips']) == (4, 1)
        seen |= {*frames}
    assert seen == {*range(12)}
    assert clip_views(x, 4, sampling='segments').ravel().tolist() == [
        1, 4, 7, 10]
    found = sample(dict(keypoint=x[:, :3]))  # fewer frames than segments
    assert (np.diff(found['keypoint'].ravel()) >= 0).all()
    with pytest.raises(ValueError, match='no frames'):
        sample(dict(keypoint=x[:, :0]))


@pytest.mark.parametrize('kwargs, message', [
    (dict(length=0), 'length'), (dict(views=0), 'views'),
    (dict(share=0.), 'share'), (dict(sampling='no'), 'sampling'),
    (dict(mirror=True, layout='nturgb+d'), 'left and right')])
def test_wrong_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        build('TemporalViews', **kwargs)


def test_a_clip_of_a_folder(three_classes):
    """What is random is a function of the clip's seed; joints are there."""
    config = compose('stream', stream='hp+pose_jm',
                     data_root=str(three_classes.folder),
                     methods='crop+flip+drop_joints+drop_frames+views=2')
    with DefaultScope.overwrite_default_scope('mmaction'):
        train, test = (DATASETS.build(dict(
            config[f'{phase}_dataloader']['dataset'], serialize_data=False))
            for phase in ('train', 'test'))
    first, again, other = (train[Draw(3, seed)]['inputs'].numpy()
                           for seed in (1, 1, 2))
    assert first.shape == (1, 1, 8, 17, 3 + 3)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    found = test[0]['inputs'].numpy()
    assert found.shape == (2, 1, 8, 17, 6)
    assert (found[..., 5] == 1).all()  # the scores, which do not move
    assert not found[:, :, -1, :, :5].any() and found[..., 3:5].any()
