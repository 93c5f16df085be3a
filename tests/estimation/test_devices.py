"""Settings a net computes under."""
import pytest
import torch

from hpnet_plugin.estimation.devices import computing


@pytest.mark.parametrize('precision, tf32', [('fp32', False), ('tf32', True)])
def test_on_a_gpu(precision, tf32):
    """Nothing is chosen by timing, and only tf32 rounds factors."""
    before = torch.backends.cudnn.allow_tf32
    with computing(torch.device('cuda'), 1, precision):
        assert not torch.backends.cudnn.benchmark
        assert torch.backends.cudnn.deterministic
        assert torch.backends.cudnn.allow_tf32 == tf32
    assert torch.backends.cudnn.allow_tf32 == before


@pytest.mark.parametrize('precision, dtype', [
    ('fp16', torch.float16), ('bf16', torch.bfloat16)])
def test_autocast(precision, dtype):
    with computing(torch.device('cpu'), 1, precision):
        assert torch.is_autocast_enabled('cpu')
        assert torch.get_autocast_dtype('cpu') == dtype
    assert not torch.is_autocast_enabled('cpu')


def test_given_back_after_an_error():
    threads = torch.get_num_threads()
    with pytest.raises(KeyError), computing(torch.device('cpu'), threads + 1):
        assert torch.get_num_threads() == threads + 1
        assert torch.is_inference_mode_enabled()
        raise KeyError
    assert torch.get_num_threads() == threads
    assert not torch.is_inference_mode_enabled()
