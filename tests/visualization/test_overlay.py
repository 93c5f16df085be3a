"""Overlays: what is drawn where, and the file that comes of it."""
import dataclasses

import av
import numpy as np
import pytest

from hpnet_plugin.apis.results import Segment, Timeline
from hpnet_plugin.apis.views import FrameView, PersonView
from hpnet_plugin.demo.people import save_video
from hpnet_plugin.estimation.video import VideoReader, read_frames_at
from hpnet_plugin.evaluation.calibration import UNKNOWN
from hpnet_plugin.visualization.overlay import (
    Overlay,
    draw_frame,
    draw_video,
    text_size,
)
from hpnet_plugin.visualization.text import (
    printable_names,
    put_text,
    shorten,
    text_width,
)
from hpnet_plugin.visualization.timeline_bar import (
    BACKGROUND,
    TRACK,
    TimelineBar,
    clock,
    label_colors,
    person_color,
    person_colors,
)
from hpnet_plugin.visualization.video_writer import video_writer

CLASSES = ('drink', 'wave', 'Ελληνικά', 'élève')


def person(track=0, box=(40, 60, 80, 200), label='drink', score=.91,
           topk=(('drink', .91), ('wave', .06)), found=1.):
    x1, y1, x2, y2 = box
    joints = np.stack([np.linspace(x1 + 4, x2 - 4, 17),
                       np.linspace(y1 + 4, y2 - 4, 17)], 1)
    return PersonView(track, np.array(box, float), joints,
                      np.full(17, found), label, score, list(topk))


def share(image, color, near=40):
    """How much of an image has about a colour."""
    off = np.abs(image.astype(int) - color).max(-1)
    return (off < near).mean()


def columns(image, color, near=60):
    """First and last column that has about a colour."""
    off = np.abs(image.astype(int) - color).max(-1) < near
    where = np.flatnonzero(off.any(0))
    return where[0], where[-1]


def moving(result_of, fps=10, frames=20, shape=(240, 320), **facts):
    """A box that moves 5 pixels a frame; every fourth frame looked at."""
    boxes = np.tile([20., 80, 70, 220], (1, frames, 1))
    boxes += np.arange(frames)[:, None] * [5, 0, 5, 0]
    joints = np.zeros((1, frames, 17, 2))
    result = result_of(boxes, joints, fps, CLASSES, [
        (0, 0., 1., 0), (0, 1., 2., 2)], step=4, shape=shape, **facts)
    return dataclasses.replace(result, predictions=[
        dataclasses.replace(p, joint_scores=0 * p.joint_scores)
        for p in result.predictions])


@pytest.fixture
def video(tmp_path):
    save_video(tmp_path / 'in.mp4', np.full((20, 240, 320, 3), 90, np.uint8),
               10)
    return tmp_path / 'in.mp4'


def test_every_frame_is_drawn(video, tmp_path, result_of):
    out, told = tmp_path / 'new/out.mp4', []
    draw_video(video, moving(result_of), out,
               progress=lambda *n: told.append(n))
    assert told[-1] == (20, 20)
    with av.open(str(out)) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ('h264', 'yuv420p')
        assert context.width == 320 and context.height % 2 == 0
        assert context.height > 240  # the bar
    with VideoReader(str(out)) as reader, VideoReader(str(video)) as given:
        np.testing.assert_allclose(reader.times, given.times, atol=1e-3)
    # also of frames between those that were looked at
    for number in (8, 10, 11):
        image, = read_frames_at(str(out), [number])
        left, right = columns(image[150:200], person_color(0))
        assert left == pytest.approx(20 + 5 * number, abs=3)
        assert right == pytest.approx(70 + 5 * number, abs=3)
    assert not list(out.parent.glob('.*'))


def test_frames_of_uneven_rate_keep_their_times(tmp_path):
    times = [0, .1, .15, .4, 1.]
    with video_writer(tmp_path / 'a.mp4', 30) as write:
        for time in times:
            write(np.zeros((32, 48, 3), np.uint8), time)
    with VideoReader(str(tmp_path / 'a.mp4')) as reader:
        np.testing.assert_allclose(reader.times, times, atol=1e-3)


def test_colours_and_odd_sizes(tmp_path):
    image = np.zeros((33, 51, 3), np.uint8)
    image[:, :25], image[:, 25:] = (220, 40, 30), (20, 60, 200)
    with video_writer(tmp_path / 'a.mp4') as write:
        for i in range(3):
            write(image, i / 10)
    back, = read_frames_at(str(tmp_path / 'a.mp4'), [1])
    assert back.shape == (34, 52, 3)
    with av.open(str(tmp_path / 'a.mp4')) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_range) == (1, 1)
        frame = next(container.decode(video=0)).reformat(
            format='rgb24', src_colorspace='ITU709').to_ndarray()
    for x, color in ((10, (220, 40, 30)), (40, (20, 60, 200))):
        np.testing.assert_allclose(frame[16, x], color, atol=8)


def test_no_half_file(video, tmp_path, result_of):
    out = tmp_path / 'out.mp4'
    out.write_bytes(b'the one before')

    def stop(done, count):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw_video(video, moving(result_of), out, progress=stop)
    with pytest.raises(ValueError, match='of video.mp4 with 64x64'):
        draw_video(video, moving(result_of, shape=(64, 64)), out)
    with pytest.raises(ValueError, match='no frame'), video_writer(out):
        pass
    with pytest.raises(ValueError, match='one size'), \
            video_writer(out) as write:
        write(np.zeros((32, 32, 3), np.uint8), 0)
        write(np.zeros((32, 34, 3), np.uint8), 1)
    assert out.read_bytes() == b'the one before'
    assert sorted(p.name for p in tmp_path.iterdir()) == ['in.mp4', 'out.mp4']


@pytest.mark.parametrize('size', [(180, 320), (320, 180), (240, 320),
                                  (1080, 1920), (1920, 1080), (2160, 3840)])
def test_drawings_scale_with_the_frame(size):
    height, width = size
    factor = 2 if min(size) < 240 else 1
    box = np.array([.4, .4, .6, .9]) * [width, height, width, height]
    image = Overlay().draw(np.full((*size, 3), 90, np.uint8),
                           [person(box=box)])
    assert image.shape == (factor * height, factor * width, 3)
    unit = text_size(*image.shape[:2])
    assert 11 <= unit and .02 < unit / min(image.shape[:2]) < .05
    # box, limbs and the chip with the number
    left, right = columns(image[int(image.shape[0] * .7):], person_color(0))
    assert left == pytest.approx(factor * box[0], abs=unit / 3)
    assert right == pytest.approx(factor * box[2], abs=unit / 3)
    # white letters on dark: as large a part of any frame
    text = share(image, (255, 255, 255), 30)
    assert .0005 < text < .03


def test_the_frame_itself_stays():
    frame = np.full((240, 320, 3), 90, np.uint8)
    Overlay().draw(frame, [person()])
    assert (frame == 90).all()


def test_people_have_colours_and_texts_of_their_own():
    people = [person(0, (60, 120, 110, 330)), person(1, (120, 120, 170, 330)),
              person(2, (180, 120, 230, 330))]
    image = Overlay().draw(np.full((360, 640, 3), 90, np.uint8), people)
    size = text_size(360, 640)
    for one in people:
        color = np.array(person_color(one.track))
        exact = np.abs(image.astype(int) - color).max(-1) == 0
        # the chip of each can be seen: a filled patch, not a line
        patch = np.lib.stride_tricks.sliding_window_view(
            exact, (size // 2, 3)).all((2, 3))
        assert patch.any(), one.track


def test_a_text_leaves_the_head_free():
    """At the upper edge it cannot stand above the box."""
    frame = np.full((360, 640, 3), 90, np.uint8)
    one = person(0, (300, 2, 360, 340), found=0.)
    head = Overlay().draw(frame, [one])[10:140, 310:350]
    assert (head == 90).all()


def test_a_text_does_not_jump():
    """A little more room on another side does not move it."""
    overlay, places = Overlay(), []
    for x in (200, 205, 200, 205):
        frame = np.full((360, 640, 3), 90, np.uint8)
        image = overlay.draw(frame, [person(0, (x, 2, x + 60, 340))])
        places.append(columns(image, (255, 255, 255), 10)[0] - x)
    assert np.ptp(places) <= 2


def test_a_live_frame():
    view = FrameView('0', 0, 0., np.full((240, 320, 3), 90, np.uint8),
                     [person(3), person(5, (150, 60, 200, 200), None, 0.,
                                        ())])
    image = draw_frame(view)
    assert image.shape == (240, 320, 3)
    assert share(image, person_color(3)) and share(image, person_color(5))
    named = draw_frame(view, {'drink': 'trinken'})
    assert (named != image).any()


def test_joints_that_were_not_found_are_not_drawn():
    frame = np.full((240, 320, 3), 90, np.uint8)
    inside = np.s_[90:190, 50:70]
    assert (Overlay().draw(frame, [person(found=0.)])[inside] == 90).all()
    assert (Overlay().draw(frame, [person()])[inside] != 90).any()
    # of other sets of joints there are no limbs
    few = person()._replace(joints=np.full((5, 2), 100.), scores=np.ones(5))
    Overlay().draw(frame, [few])


def letters(text, size=30):
    image = np.zeros((60, 600, 3), np.uint8)
    put_text(image, text, 10, 30, size, (255, 255, 255))
    return image


def test_letters_of_any_script():
    greek, accents = printable_names(['Ελληνικά', 'élève\nfatigué'])
    assert (greek, accents) == ('Ελληνικά', 'élève fatigué')
    assert (letters('é') != letters('e')).any()
    assert (letters('λ') != letters('e')).any()


def test_letters_that_no_font_has():
    """Two names that cannot be drawn are told apart, and a warning says so."""
    nowhere = '\U000eeee1\U000eeee2'  # not assigned
    with pytest.warns(UserWarning, match='fonts-noto-cjk'):
        names = printable_names(['drink', nowhere, nowhere[::-1]])
    assert names == ['drink', 'class 1', 'class 2']


@pytest.mark.filterwarnings('ignore:no font')
def test_chinese_names_are_drawn_or_numbered(video, tmp_path, result_of):
    result = dataclasses.replace(
        moving(result_of), classes=('喝水', '挥手', 'c', 'd'))
    names = printable_names(result.classes)
    assert names[0] in ('喝水', 'class 0') and names[1] in ('挥手', 'class 1')
    assert (letters(names[0]) != letters(names[1])).any()
    draw_video(video, result, tmp_path / 'out.mp4')
    assert (letters('喝水') > 0).any()  # boxes at least


def test_texts_are_cut_and_clipped():
    text = 'élève très fatigué, qui marche lentement'
    cut = shorten(text, 100, 20)
    assert text_width(cut, 20) <= 100
    assert cut.startswith('élè') and '…' in cut and cut.endswith('nt')
    assert shorten('wave', 100, 20) == 'wave'
    image = np.zeros((20, 30, 3), np.uint8)
    for x, y in ((-20, 10), (25, 10), (5, -3), (5, 19), (90, 90)):
        put_text(image, 'wave', x, y, 16, (255, 255, 255))
    assert image.any()


def timelines(*people):
    return [Timeline(track, [Segment(a, b, label, 0, .8)
                             for a, b, label in segments])
            for track, segments in enumerate(people)]


def drawn(bar, time):
    image = np.zeros((bar.height, bar.width, 3), np.uint8)
    bar.draw(image, time)
    return image


def test_the_bar():
    given = timelines([(0, 4, 'drink'), (6, 10, 'wave')], [(5, 10, 'drink')])
    bar = TimelineBar(given, 10, 640, 12)
    colors = label_colors(given)
    assert len(set(colors.values())) == 3  # and that of unknown
    first, second = drawn(bar, 1.), drawn(bar, 8.)
    left, right = columns(first[9:10], colors['drink'], 3)
    start, end = columns(first[9:10], colors['wave'], 3)
    gap = first[9, (right + start) // 2]
    assert tuple(gap) == TRACK and tuple(first[2, 2]) == BACKGROUND
    # from where a second takes as many pixels
    second_wide = (end - left) / 10
    assert right - left == pytest.approx(4 * second_wide, abs=3)
    assert start - left == pytest.approx(6 * second_wide, abs=3)
    heads = [columns(image[12:13], (255, 255, 255), 1)[0]
             for image in (first, second)]
    assert heads[1] - heads[0] == pytest.approx(7 * second_wide, abs=2)


def test_the_bar_of_nobody_and_of_unknown():
    empty = TimelineBar([], 5, 320, 11)
    assert drawn(empty, 2).shape == (empty.height, 320, 3)
    bar = TimelineBar(timelines([(0, 5, UNKNOWN)]), 5, 320, 11)
    assert share(drawn(bar, 0)[8:12], (176, 176, 176), 5) > .5


def test_people_who_follow_each_other_differ():
    """Numbers of tracks have gaps."""
    given = [Timeline(7 * i, [Segment(0, 1, 'drink', 0, 1)])
             for i in range(4)]
    assert len(set(person_colors(given).values())) == 4


def test_a_long_video_is_shown_by_the_minute():
    """Its height stays, whoever is there."""
    people = [[(0, 50, 'drink')], [(0, 50, 'wave')], [(100, 150, 'sit')],
              *[[(120, 170, f'action {i}')] for i in range(6)]]
    bar = TimelineBar(timelines(*people), 180, 640, 12)
    color = bar.colors['drink']
    assert share(drawn(bar, 10), color, 3) > share(drawn(bar, 70), color, 3)
    assert share(drawn(bar, 130), color, 3) < .01
    one, other = drawn(bar, 59.9), drawn(bar, 60.1)
    assert columns(one[12:13], (255, 255, 255), 1)[0] > 600
    assert columns(other[12:13], (255, 255, 255), 1)[0] < 120
    assert drawn(bar, 500).shape == one.shape  # later than it should be


def test_many_labels_have_colours_and_fit():
    given = timelines([(i, i + 1, f'a long name of action {i}')
                       for i in range(30)])
    colors = label_colors(given)
    assert len(set(colors.values())) == 25  # three shades of eight, unknown
    for width in (320, 3840):
        bar = TimelineBar(given, 30, width, text_size(width, width))
        assert bar.height < .75 * width
        drawn(bar, 3)


@pytest.mark.parametrize('seconds, digits, text', [
    (7, 0, '0:07'), (754, 0, '12:34'), (3723, 0, '1:02:03'),
    (7.46, 1, '0:07.5'), (59.96, 1, '1:00.0')])
def test_clock(seconds, digits, text):
    assert clock(seconds, digits) == text
