"""Networks away from their start, where parts of them are silent."""
import pathlib
import sys

import pytest

sys.path.append(str(pathlib.Path(__file__).parents[1] / 'golden'))


@pytest.fixture(scope='session')
def randomised():
    """Function that draws every weight and statistic of a net anew."""
    from golden_networks import fill
    return fill
