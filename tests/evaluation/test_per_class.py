"""The metric as the toolbox builds and runs it."""
import logging

import pytest
import torch
from mmaction.registry import METRICS
from mmaction.structures import ActionDataSample
from mmengine.logging import MMLogger

from hpnet_plugin.evaluation import PerClassAccuracy


def samples():
    # Class 0: both right. Class 1: one of two, the other taken for class 2,
    # which has no clips.
    for label, predicted in ((0, 0), (0, 0), (1, 1), (1, 2)):
        sample = ActionDataSample().set_gt_label(label)
        yield sample.set_pred_score(torch.eye(3)[predicted]).to_dict()


def run(metric):
    metric.process({}, list(samples()))
    return metric.evaluate(4)


def test_mean_and_table(tmp_path, caplog):
    (tmp_path / 'classes.txt').write_text('drink\nread\nwave\n')
    metric = METRICS.build(dict(type='PerClassAccuracy',
                                classes=str(tmp_path / 'classes.txt')))
    assert isinstance(metric, PerClassAccuracy)
    logger = MMLogger.get_instance('per_class')
    logger.addHandler(caplog.handler)
    with caplog.at_level(logging.INFO):
        assert run(metric) == {'acc/mean_class': 0.75}
    rows = [line.split() for line in caplog.text.splitlines()[-2:]]
    assert rows == [['read', '2', '50.0', 'wave', '(1)'],
                    ['drink', '2', '100.0']]


def test_numbers_without_names_and_wrong_names(tmp_path):
    assert run(PerClassAccuracy(prefix='x')) == {'x/mean_class': 0.75}
    (tmp_path / 'classes.txt').write_text('drink\nread\n')
    with pytest.raises(ValueError, match='2 class names for .* 3 classes'):
        run(PerClassAccuracy(classes=str(tmp_path / 'classes.txt')))


@pytest.mark.parametrize('labels, top1, mean', [
    ([0, 1, -1], 0.5, 0.5), ([-1, -1, -1], None, None)])
def test_clips_without_labels_do_not_count(caplog, labels, top1, mean):
    """Of three predictions of class 0; none is wrong for want of a label."""
    logger = MMLogger.get_instance('without_labels')
    logger.addHandler(caplog.handler)
    found = {}
    with caplog.at_level(logging.INFO):
        for kind in (dict(type='LabelledAccMetric',
                          metric_list=('top_k_accuracy', )),
                     dict(type='PerClassAccuracy')):
            metric = METRICS.build(kind)
            metric.process({}, [
                ActionDataSample().set_gt_label(label).set_pred_score(
                    torch.arange(6.).flip(0)).to_dict() for label in labels])
            found.update(metric.evaluate(3))
    if top1 is None:
        assert found == {}
        assert 'None of the 3 clips has a label' in caplog.text
    else:
        assert found == {'acc/top1': top1, 'acc/top5': 1.0,
                         'acc/mean_class': mean}
        assert '1 of 3 clips has no label: it does not count' in caplog.text
