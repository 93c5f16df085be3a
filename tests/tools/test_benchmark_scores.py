"""hpnet benchmark scores, small and without its processes."""
import argparse

from hpnet_plugin.benchmarks import scores
from hpnet_plugin.commands.benchmark import MEASUREMENTS


def test_scores(monkeypatch):
    commands = []

    def usage(command):
        commands.append(command)
        return 1. if '-c' in command else 2., 50.

    monkeypatch.setattr(scores, 'usage', usage)
    monkeypatch.setattr(scores, 'PLAIN', 20)
    parser = argparse.ArgumentParser()
    scores.add_options(parser)
    first, second = scores.run(parser.parse_args(
        '--clips 30 --streams 2 --repeat 1'.split())).values()
    assert [row['ratio']['median'] for row in first[1:]] == [2.] * 5
    assert first[0]['what'] == 'numpy.load' and len(commands) == 6
    assert second[0]['plain_by_ours']['median'] > 1
    assert 'scores' in MEASUREMENTS and 'fuse' in scores.QUICK


def test_usage_of_a_process():
    seconds, peak = scores.usage(['sleep', '0'])
    assert 0 <= seconds < 1 and 0 < peak < 500
