"""What a training says of itself."""
import logging

import pytest

from hpnet_plugin.run_summary import duration, quieten


@pytest.mark.parametrize('seconds, text', [
    (0.4123, '0.41 s'), (9, '9 s'), (35.2, '35 s'), (720, '12 min'),
    (12_000, '3 h 20 min'), (300_000, '3.5 days')])
def test_duration(seconds, text):
    assert duration(seconds) == text


def test_noise_and_long_lines_are_for_the_file(capsys):
    logger = logging.getLogger('quiet')
    logger.propagate = False
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter('%(message)s'))
    quieten(handler)
    quieten(handler)  # a second Runner of one process
    logger.addHandler(handler)
    for text in ('"FileClient" will be deprecated in future',
                 '48 videos remain after valid thresholding',
                 f'kept\n{"x" * 2000}'):
        logger.warning(text)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == 'kept' and len(lines) == 2
    assert len(lines[1]) < 600 and lines[1].count('log file') == 1
