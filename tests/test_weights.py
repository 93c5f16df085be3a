"""What keeps weights from a model is named, once and in one way."""
import numpy as np
import pytest

from hpnet_plugin.weights import compare

MODEL = {'fc.weight': np.zeros((4, 3)), 'fc.bias': np.zeros(4),
         'bn.num_batches_tracked': np.zeros(())}


def test_what_fits_is_false_and_needs_no_counters():
    assert not compare({'fc.weight': np.ones((4, 3)),
                        'fc.bias': np.ones(4)}, MODEL)


@pytest.mark.parametrize('found, text', [
    ({'fc.weight': np.ones((4, 3))}, '1 missing (fc.bias)'),
    ({**MODEL, 'head.w': 0}, '1 unexpected (head.w)'),
    ({**MODEL, 'fc.bias': np.zeros(3)},
     '1 of another shape (fc.bias is (3,) instead of (4,))'),
    ({**MODEL, 'fc.bias': 'text'},
     '1 of another shape (fc.bias is str instead of (4,))'),
    ({f'w{i}': 0 for i in range(4)}, '2 missing (fc.weight, fc.bias), '
     '4 unexpected (w0, w1, w2, …)')])
def test_differences_are_counted_and_named(found, text):
    differences = compare(found, MODEL)
    assert differences and str(differences) == text
