"""The numbers of the networks, in any clone."""
import numpy as np
import pytest
from golden_networks import FILE, PARTS, outputs


@pytest.mark.parametrize('part', PARTS, ids=lambda part: part.__name__)
def test_golden_networks(part):
    """To 1e-6 of the largest number of each output."""
    found = outputs(part)
    with np.load(FILE) as expected:
        for name, value in found.items():
            np.testing.assert_allclose(
                value, expected[name], rtol=0,
                atol=1e-6 * np.abs(expected[name]).max(), err_msg=name)


def test_every_pinned_number_is_compared():
    with np.load(FILE) as expected:
        assert set(expected) == {name for part in PARTS
                                 for name in outputs(part)}
