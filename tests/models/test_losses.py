"""The squared loss against its formula, and the weights that it finds."""
import numpy as np
import pytest
import torch
from mmaction.registry import MODELS
from mmengine import DefaultScope

from hpnet_plugin.models.losses import SquaredLoss
from hpnet_plugin.recipes import compose


def test_formula_of_classes_and_shares():
    scores = np.array([[1., 2, 0], [0, -1, 4]])
    wanted = 6 * (np.eye(3)[[1, 2]] - 1 / 3)
    expected = .5 * ((scores - wanted)**2).sum(1).mean()
    loss = SquaredLoss(6)
    classes = loss(torch.from_numpy(scores), torch.tensor([1, 2]))
    shares = loss(torch.from_numpy(scores), torch.eye(3)[[1, 2]])
    assert classes.item() == pytest.approx(expected)
    assert shares.item() == pytest.approx(expected)


def test_weights_are_those_of_ridge_regression():
    """A linear layer with decay, trained to its end, and the closed form."""
    torch.manual_seed(0)
    x = torch.randn(30, 8, dtype=torch.float64)
    labels = torch.arange(30) % 4
    decay, scale = .1, 5.
    weight = torch.zeros(4, 8, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([weight], .2, .9, weight_decay=decay)
    for _ in range(400):
        optimizer.zero_grad()
        SquaredLoss(scale)(x @ weight.T, labels).backward()
        optimizer.step()
    wanted = scale * (torch.eye(4, dtype=x.dtype)[labels] - 1 / 4)
    ridge = torch.linalg.solve(
        x.T @ x / 30 + decay * torch.eye(8, dtype=x.dtype), x.T @ wanted / 30)
    torch.testing.assert_close(weight.detach(), ridge.T)


def test_a_stream_takes_it():
    model = compose('stream', stream='pose_j', methods='squares=3+mixup',
                    benchmark='nw_ucla_synthetic')['model']
    with DefaultScope.overwrite_default_scope('mmaction'):
        head = MODELS.build(model['cls_head'])
    assert isinstance(head.loss_cls, SquaredLoss) and head.loss_cls.scale == 3
