"""hpnet benchmark rgb: both sides give the same images, and are timed."""
import argparse

import pytest

from hpnet_plugin.benchmarks import rgb


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """One seed a clip, and small images."""
    monkeypatch.setattr(rgb, 'DRAWS', 1)
    monkeypatch.setattr(rgb, 'SIDE', 64)


def test_tables():
    parser = argparse.ArgumentParser()
    rgb.add_options(parser)
    pipelines, decoding, transforms = rgb.run(parser.parse_args(
        '--clips 1 --frames 16 --repeat 1'.split())).values()
    assert [row['what'] for row in pipelines] == [
        f'{phase}, {files}' for phase in ('train', 'test')
        for files in ('files as written now', 'earlier files')]
    for row in (*pipelines, *decoding, *transforms):
        assert row['times_as_fast']['median'] == pytest.approx(
            row['plain']['median'] / row['ours']['median'], rel=.05)
    for row in pipelines:
        assert row['clips_per_second']['median'] == pytest.approx(
            1000 / row['ours']['median'], rel=.05)
    # a key frame every 4 takes more bytes than one every 12
    assert decoding[0]['KiB_of_a_clip'] >= decoding[1]['KiB_of_a_clip']
    assert {*rgb.QUICK} == {'rgb pipeline', 'crop decoding'}


def test_other_images_are_refused(tmp_path, monkeypatch):
    """The plain side mirrors always, ours sometimes."""
    clips = rgb.Clips(str(tmp_path), 1, 8)
    monkeypatch.setitem(rgb.PLAIN, 'test', lambda path, frames: rgb.np.flip(
        rgb.plain_test(path, frames), -1))
    with pytest.raises(RuntimeError, match='different images'):
        rgb.measure_pipeline(clips, 1, 'test')
