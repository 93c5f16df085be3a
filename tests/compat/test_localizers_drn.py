"""What the wheel of mmaction2 leaves out."""
import pytest
from mmaction.registry import MODELS

from hpnet_plugin.compat import localizers_drn


def test_the_models_of_mmaction_are_all_there():
    import mmaction.models
    assert MODELS.get('BMN') is mmaction.models.BMN
    assert MODELS.get('RecognizerGCN') is mmaction.models.RecognizerGCN


@pytest.mark.skipif(
    not localizers_drn.filled(), reason='this mmaction2 has its DRN')
def test_the_missing_localizer_says_so_when_it_is_built():
    with pytest.raises(NotImplementedError, match='drn is not in the wheel'):
        MODELS.build(dict(type='mmaction.DRN', vote_size=512))
