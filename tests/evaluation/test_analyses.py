"""Analyses against closed forms and scikit-learn."""
import numpy as np
import pytest
import sklearn.metrics
import torch
from mmaction.registry import MODELS
from mmengine.registry import DefaultScope
from sklearn.feature_selection import f_classif
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

from hpnet_plugin.apis.embedding import (
    backbone_features,
    choose,
    embed,
    separation,
)
from hpnet_plugin.evaluation.fisher import (
    ClassScatter,
    clip_mean,
    fisher_scores,
    read_clip_labels,
)
from hpnet_plugin.evaluation.fusion import join, labels_of
from hpnet_plugin.evaluation.gains import class_records, compare
from hpnet_plugin.evaluation.metrics import confusion_matrix
from hpnet_plugin.evaluation.scores import read_scores


def scatter_of(values, labels, found=None):
    """(N, V, C) and (N,) taken in clip by clip."""
    scatter = ClassScatter(labels.max() + 1, *values.shape[1:])
    for i, (label, value) in enumerate(zip(labels, values)):
        scatter.add(label, value, np.ones(len(value), bool)
                    if found is None else found[i])
    return scatter.result()


def test_fisher_is_the_f_of_an_analysis_of_variance():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 3, 4], [5, 30, 12, 3])  # no clip of class 2
    rng.shuffle(labels)
    # Far from zero, where sums of squares would lose all digits.
    values = rng.normal(size=(50, 3, 2)) + labels[:, None, None]
    found = scatter_of(1e6 + values, labels)
    f, _ = f_classif(values.reshape(50, 6), labels)
    np.testing.assert_allclose(found.features, f.reshape(3, 2) * 3 / 46,
                               rtol=1e-6)
    assert (found.clips, found.classes) == (50, 4)
    np.testing.assert_allclose(found.joints, found.features.mean(1))
    assert found.score == pytest.approx(found.features.mean())


def test_fisher_of_gaussians_with_known_means():
    # Means -1, 0, 1 of equally many clips and unit variance: 2/3 over 1.
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 20000)
    values = rng.normal(size=(60000, 1, 2)) + (labels - 1)[:, None, None]
    values[:, :, 1] *= 1000
    found = scatter_of(values, labels)
    np.testing.assert_allclose(found.features, 2 / 3, rtol=.02)
    assert found.trace_ratio == pytest.approx(2 / 3, rel=.02)


def test_fisher_of_noise_is_the_chance_it_names():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(5), 4)
    found = scatter_of(rng.normal(size=(20, 50, 400)), labels)
    # Mean of an F distribution with d2 = 15 is 15 / 13.
    np.testing.assert_allclose(found.chance, 4 / 15 * 15 / 13)
    assert found.score == pytest.approx(4 / 13, rel=.02)


def test_fisher_without_the_joints_that_were_not_found():
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    values = rng.normal(size=(40, 2, 3))
    seen = np.ones((40, 2), bool)
    seen[:15, 1] = False
    seen[:, 0] = labels == 0
    part = scatter_of(values[15:], labels[15:])
    values[~seen] = 1e9
    found = scatter_of(values, labels, seen)
    np.testing.assert_allclose(found.features[1], part.features[1])
    # Of one class only: nothing between classes.
    np.testing.assert_array_equal(found.features[0], 0)


def test_fisher_leaves_out_channels_that_never_change():
    rng = np.random.default_rng(0)
    labels = np.array([0, 0, 0, 1, 1, 1, 2])
    values = rng.normal(size=(7, 1, 3))
    values[:, 0, 1] = .1
    values[:, 0, 2] = [0, 0, 0, 0, 0, 0, 5]  # the one clip of its class
    found = scatter_of(values, labels)
    assert np.isnan(found.features[0]).tolist() == [False, True, True]
    assert found.score == found.joints[0] == found.features[0, 0]
    assert found.record()['features_without_score'] == 2
    with pytest.raises(ValueError, match='no feature changes'):
        scatter_of(np.ones((4, 1, 2)), np.array([0, 0, 1, 1]))


@pytest.mark.parametrize('labels', [[1, 1, 1], [0, 1, 2]])
def test_fisher_needs_clips(labels):
    with pytest.raises(ValueError, match=r'3 clips of \d classes'):
        scatter_of(np.random.rand(3, 1, 1), np.array(labels))


def test_a_clip_is_the_mean_of_where_joints_are_found():
    feat = np.arange(2 * 3 * 2 * 1, dtype=np.float16).reshape(2, 3, 2, 1)
    scores = np.zeros((2, 3, 2))
    scores[0, 1, 0] = scores[1, 2, 0] = .3
    value, found = clip_mean(feat, scores)
    assert value[0, 0] == (2 + 10) / 2
    assert found.tolist() == [True, False]


def test_classes_of_a_matrix():
    matrix = np.array([[3, 1, 2], [0, 0, 0], [0, 0, 4]])
    first, absent, last = class_records(matrix, ['a', 'b', 'c'])
    assert first == {'label': 0, 'class': 'a', 'clips': 6, 'accuracy': 50,
                     'most_taken_for': 'c', 'taken_for_clips': 2}
    assert absent['accuracy'] is None and absent['clips'] == 0
    assert last['accuracy'] == 100 and last['most_taken_for'] is None


def test_gains_and_losses():
    # Right of four clips each: 4, 2, 1, 0 and then 3, 2, 4, 1 of classes
    # 0, 1, 2, 4; class 3 has no clip and is what mistakes are taken for.
    labels = np.repeat([0, 1, 2, 4], 4)

    def scores(*right):
        top = [label if i < n else 3 for label, n in zip((0, 1, 2, 4), right)
               for i in range(4)]
        return np.eye(5)[top]

    found = compare(scores(4, 2, 1, 0), scores(3, 2, 4, 1), labels,
                    list('abcde'), top=2)
    assert found['first']['mean_class_accuracy'] == 175 / 4
    assert found['second']['top1'] == 62.5

    def names(key):
        return [record['class'] for record in found[key]]

    assert names('classes') == list('abce')
    assert [r['gain'] for r in found['gain']] == [75, 25]
    assert names('gain') == ['c', 'e'] and names('lose') == ['a']
    assert names('accurate') == ['a', 'b'] and names('confused') == ['e', 'c']
    assert found['confused'][1]['second'] == 100


def test_smarthome(shared, tmp_path):
    """The released files; mean class accuracies as published with them."""
    data = shared / 'data/smarthome_cs'
    names = (data / 'classes.txt').read_text().split()
    first = read_scores(str(data / 'J_epoch1_test_score.pkl'))
    second = read_scores(str(data / '*_best_score.npy'))
    (tmp_path / 'labels.txt').write_text('\n'.join(
        f'{clip} {max((n for n in names if clip.startswith(n)), key=len)}'
        for clip in first.names))
    joined = join([first, second], labels_of(
        first.names, str(tmp_path / 'labels.txt'), names))
    found = compare(*joined.scores, joined.labels, names)
    assert found['first']['mean_class_accuracy'] == pytest.approx(51.54,
                                                                  abs=.005)
    assert found['second']['mean_class_accuracy'] == pytest.approx(81.31,
                                                                   abs=.005)
    by_sklearn = sklearn.metrics.confusion_matrix(
        joined.labels, joined.scores[0].argmax(1))
    np.testing.assert_array_equal(
        confusion_matrix(joined.scores[0], joined.labels), by_sklearn)
    recall = 100 * by_sklearn.diagonal() / by_sklearn.sum(1)
    np.testing.assert_allclose([r['first'] for r in found['classes']], recall)
    assert [r['label'] for r in found['confused']] == np.argsort(
        recall, kind='stable')[:10].tolist()


def test_separation_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 60)
    values = rng.normal(size=(60, 4)) + labels[:, None]
    found = separation(values, labels, neighbours=5)
    predicted = cross_val_predict(KNeighborsClassifier(5), values, labels,
                                  cv=LeaveOneOut())
    assert found['knn_accuracy'] == pytest.approx(
        100 * (predicted == labels).mean())
    # By its definition, without the function that is called.
    far = np.linalg.norm(values[:, None] - values, axis=-1)
    of = np.stack([far[:, labels == k].sum(1) for k in range(3)], 1)
    count, own = np.bincount(labels), labels[:, None] == np.arange(3)
    a = of[own] / (count[labels] - 1)
    b = np.where(own, np.inf, of / count).min(1)
    assert found['silhouette'] == pytest.approx(
        ((b - a) / np.maximum(a, b)).mean())
    with pytest.raises(ValueError, match='4 clips of 2 classes'):
        separation(values[:4], np.array([0, 0, 1, 1]))


def test_embedding_keeps_groups_and_repeats():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 12)
    values = rng.normal(size=(24, 8)) + 40 * labels[:, None]
    points = embed(values, seed=1)
    np.testing.assert_array_equal(points, embed(values, seed=1))
    assert points.shape == (24, 2)
    assert separation(points, labels)['knn_accuracy'] == 100


def test_choice_of_clips():
    names = [f'c{i:02}' for i in range(12)]
    labels = np.array([0] * 5 + [1] * 2 + [2] * 4 + [-1])
    assert choose(names, labels) == set(names[:-1])
    assert choose(names, labels, max_classes=2) == set(names[:5] + names[7:11])
    drawn = choose(names, labels, 2, 3, seed=0)
    assert len(drawn) == 6
    turned = choose(names[::-1], labels[::-1], 2, 3, seed=0)
    assert drawn == turned
    assert any(choose(names, labels, 2, 3, seed) != drawn for seed in (1, 2))


def model_of(config):
    with DefaultScope.overwrite_default_scope('mmaction'):
        return MODELS.build(config).eval()


@pytest.mark.parametrize('people', [1, 2])
def test_features_are_what_the_heads_linear_layer_sees(people):
    model = model_of(dict(
        type='RecognizerGCN',
        backbone=dict(type='CTRGCN', in_channels=3, num_person=people,
                      base_channels=8),
        cls_head=dict(type='GCNHead', num_classes=4, in_channels=32)))
    seen = []
    model.cls_head.fc.register_forward_pre_hook(
        lambda module, args: seen.append(args[0]))
    inputs = torch.rand(3, 1, people, 8, 17, 3)
    with torch.no_grad():
        model.extract_feat(inputs, stage='head')
        found = backbone_features(model, inputs)
    torch.testing.assert_close(found, seen[0])
    assert found.std() > 0


def test_features_of_hpnet_are_f_c():
    arch = dict(
        embed_dim=16,
        vision_cfg=dict(layers=1, width=16, head_width=8, patch_size=8,
                        image_size=16),
        text_cfg=dict(context_length=12, width=16, heads=2, layers=1))
    config = dict(
        type='XCLIPRecognizer',
        backbone=dict(type='XCLIPVision', arch=arch, num_frames=2),
        text=dict(type='CLIPText', arch=arch, classes=['eat', 'wave']),
        topology=dict(type='SMCLM', model=dict(
            type='CTRGCN', in_channels=5, base_channels=8, num_person=1)),
        cls_head=dict(type='TRMMHead', num_classes=2,
                      fusion=dict(type='TRMM')))
    inputs = dict(imgs=torch.rand(2, 2, 3, 16, 16),
                  pooled_feat=torch.rand(2, 1, 1, 8, 17, 5))
    model, seen = model_of(config), []
    for classifier in model.cls_head.classifiers:
        classifier.register_forward_pre_hook(
            lambda module, args: seen.append(args[0]))
    with torch.no_grad():
        model(inputs, mode='tensor')
        found = backbone_features(model, inputs)
        torch.testing.assert_close(found, torch.cat(seen, 1))
        del config['topology'], config['cls_head']['fusion']
        model = model_of(config)
        video = backbone_features(model, dict(imgs=inputs['imgs']))
    assert video.shape == (2, 16)


def test_labels_of_a_folder(tmp_path):
    from hpnet_plugin.datasets.annotations import write_annotations
    from hpnet_plugin.store import FeatureStore, StoreWriter
    rng = np.random.default_rng(0)
    values = rng.random((6, 1, 3, 17, 2)).astype('f2')
    with StoreWriter(tmp_path / 'features', dict(
            version=1, taps=dict(low=2))) as writer:
        for i, value in enumerate(values):
            writer.add(f'c{i}', dict(
                keypoint=np.ones((1, 3, 17, 2), 'f4'),
                keypoint_score=np.ones((1, 3, 17), 'f4'), low=value),
                dict(img_shape=[8, 8]))
    store = FeatureStore(tmp_path / 'features')
    labels = {f'c{i}': i % 2 for i in range(5)}
    write_annotations(store, tmp_path / 'annotations.pkl', labels,
                      dict(test=['c1', 'c5']))
    assert read_clip_labels(tmp_path) == labels
    assert read_clip_labels(tmp_path, 'test') == dict(c1=1)
    with pytest.raises(ValueError, match="no split 'val'; it has test"):
        read_clip_labels(tmp_path, 'val')
    found = fisher_scores(store, labels)['low']
    f, _ = f_classif(values[:5].astype(float).mean((1, 2)).reshape(5, -1),
                     np.arange(5) % 2)
    np.testing.assert_allclose(found.features, f.reshape(17, 2) / 3)
    write_annotations(store, tmp_path / 'annotations.pkl', {}, {})
    with pytest.raises(ValueError, match='none of 6 clips has a label'):
        read_clip_labels(tmp_path)
