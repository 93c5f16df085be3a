"""hpnet taps: what can be pooled, and what a wrong name is answered."""
import pytest

from hpnet_plugin.cli import main
from hpnet_plugin.commands.taps import notes_of
from hpnet_plugin.estimation.taps import unknown_tap

TAP = 'backbone.stage4.0.branches.1'


def test_a_named_net(capsys):
    assert main(['taps', 'tiny']) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == ['tap', 'channels', 'height', 'width']
    assert [TAP, '32', '16', '12', 'default'] in rows
    assert ['head.final_layer', '17', '32', '24'] in rows


def test_a_file(shared, capsys):
    path = str(shared / 'data/simplepose/simplepose.onnx')
    assert main(['taps', path]) == 0
    assert 'hybridsequential0_relu4_fwd' in capsys.readouterr().out


def test_what_the_paper_compares():
    assert notes_of(TAP, 96, [TAP]).startswith('default; H2 of Table VII')
    assert notes_of(TAP, 32, []) == ''  # of a net of another width
    assert notes_of('backbone.stage2.0.branches.1', 96, [TAP]) == \
        'stage 1 of Table VIII'


@pytest.mark.parametrize('words, text', [
    (['hrnet-w84'], 'the closest: hrnet-w48'),
    (['none.py'], 'none.py: no such pose net'),
    (['none.onnx'], 'none.onnx: no such pose net'),
    (['tiny', '--checkpoint', 'none.pth'], 'none.pth: no such checkpoint'),
])
def test_wrong_usage(words, text, capsys):
    assert main(['taps', *words]) == 2
    assert text in capsys.readouterr().err


@pytest.mark.parametrize('names', [
    ['hybridsequential0_relu4_fwd', 'hybridsequential0_relu5_fwd'],
    ['data', 'relu4']])
def test_a_wrong_tap_is_answered_with_the_closest(names):
    """T3: of a short word and long names too."""
    error = str(unknown_tap('relu4x', names, 'tensor', 'net.onnx'))
    assert 'the closest: ' in error and 'relu4' in error
    assert '"hpnet taps net.onnx" lists all' in error
    assert 'hybridsequential0_relu4_fwd' in str(unknown_tap(
        'relu4', [*names, 'hybridsequential0_relu4_fwd'], 'tensor'))
