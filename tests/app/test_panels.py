"""Results as parts of the page."""
import re
from dataclasses import replace

import numpy as np
import pytest

from hpnet_plugin.apis.results import (
    Prediction,
    Segment,
    Timeline,
    VideoResult,
)
from hpnet_plugin.app import panels
from hpnet_plugin.demo import people
from hpnet_plugin.visualization.timeline_bar import person_colors

EVIL = '<img src=x onerror="alert(1)">{{7*7}}${7*7}'
CLASSES = ('wave', EVIL)


def window(start, end, chances, energy=None, track=0):
    """A prediction, with the joints of a drawn person."""
    clip = people.make_clip(4, 3, length=8)
    best = int(np.argmax(chances))
    chances = np.float32(chances)
    return Prediction(
        EVIL, track, start, end, CLASSES[best], best, float(chances[best]),
        [], chances, chances, np.arange(8), np.linspace(start, end, 8, False),
        clip.boxes[0], clip.joints[0], np.ones((8, 17)), 1., energy)


@pytest.fixture
def result():
    """Somebody who waves for 1 s, and then does something else for 3 s."""
    energy = np.ones((8, 17), np.float32)
    energy[:, 10] = 3
    return VideoResult(
        EVIL, 'ok', '', [window(0, 1, (.9, .1), energy),
                         window(1, 4, (.1, .9), energy)],
        [Timeline(0, [Segment(0, 1, 'wave', 0, .9),
                      Segment(1, 4, EVIL, 1, .9)])],
        CLASSES, 16., 4., 64, (240, 320), 1.5, EVIL)


def test_names_are_escaped(result):
    page = ''.join((panels.notice('refused', EVIL, EVIL),
                    panels.summary(result, [EVIL]), panels.timelines(result),
                    panels.actions(result), panels.energies(result, [])))
    assert '<img src=x' not in page and 'onerror="' not in page
    assert page.count('&lt;img src=x onerror=&quot;') >= 8


def test_stretches_are_as_long_as_they_last(result):
    bar = panels.timelines(result)
    assert re.findall(r'data-seek="([\d.]+)"', bar) == ['0.000', '1.000']
    assert re.findall(r'left:([\d.]+)%;width:([\d.]+)%', bar) == [
        ('0.000', '25.000'), ('25.000', '75.000')]
    assert 'data-duration="4.000"' in bar


def test_those_who_are_seen_longest_are_shown_in_the_overlays_colours(result):
    many = replace(result, timelines=[
        Timeline(2 * track, [Segment(0, 1 + track, 'wave', 0, .9)])
        for track in range(8)])
    chips = re.findall(r'hp-chip" style="background:rgb\(([^)]+)\)">(\d+)',
                       panels.timelines(many))
    assert [int(track) for _, track in chips] == [4, 6, 8, 10, 12, 14]
    colors = person_colors(many.timelines)
    assert [color for color, _ in chips] == [
        ', '.join(map(str, colors[track])) for track in range(4, 16, 2)]


def test_actions_of_the_whole_are_weighted_by_time(result):
    best = panels.overall(result.predictions, CLASSES)
    assert [name for name, _ in best] == [EVIL, 'wave']
    assert [share for _, share in best] == pytest.approx([.7, .3])
    bars = re.findall(r'width:([\d.]+)%"></i>', panels.actions(result))
    assert bars == ['70.0', '30.0']


def test_energy_names_the_joints_that_carry_it(result):
    clip = people.make_clip(4, 3, length=8)
    stills = [panels.Still(i, clip.frames[i]) for i in (0, 4)]
    page = panels.energies(result, stills)
    first = re.search(r'<li><div><span>([^<]+)</span><b>([^<]+)', page)
    assert first.groups() == ('right wrist', '3')
    # the cut-out people and the chart
    assert page.count('data:image/jpeg;base64') == 1
    assert page.count('data:image/png;base64') == 1


def test_a_model_without_features_has_no_energy(result):
    without = [window(0, 1, (.9, .1))]
    assert panels.energies(VideoResult(
        'x', 'ok', '', without, result.timelines, CLASSES), []) == ''


@pytest.mark.parametrize('length', [1, 5, 100, 1000])
def test_few_stills_are_kept_of_any_video(length):
    stills = panels.Stills()
    for number in range(length):
        stills.add(number, np.zeros((2, 2, 3), np.uint8))
    numbers = [still.number for still in stills.kept]
    assert len(numbers) <= 8 and len(numbers) >= min(length, 5)
    assert numbers[0] == 0 and numbers[-1] >= length / 2 - 1
    assert len(set(np.diff(numbers))) <= 1
