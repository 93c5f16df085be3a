"""What a run shows: sentences, a bar, and a line for each worker."""
import io
import re
import time

import pytest
from rich.cells import cell_len

from hpnet_plugin.datasets.sources import SourceClip
from hpnet_plugin.extraction import progress
from hpnet_plugin.extraction.dashboard import Dashboard, picture
from hpnet_plugin.extraction.progress import (
    Bar,
    Sentences,
    bar_format,
    in_words,
    sentence,
)
from hpnet_plugin.extraction.run import Estimate
from hpnet_plugin.extraction.tally import RECENT, Tally
from hpnet_plugin.extraction.watch import Watch, Watches
from hpnet_plugin.extraction.workers import Here, Workers

NAMES = ('walk_001', '走る人の動画ファイル', 'x' * 90, 'a\x1b[2Jb\n', 'é' * 30,
         '👩‍🚀')


class Clock:
    """The time, which passes only where a test says so."""

    def __init__(self, monkeypatch):
        self.now = 1000.
        monkeypatch.setattr(time, 'monotonic', lambda: self.now)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def item(name):
    return SourceClip(name, 'path'), False


def begun(workers=3, part='', clips=100):
    """A tally of workers of which each is at a clip."""
    tally = Tally(part)
    tally.opened(Estimate(clips, 30 * clips, 0, {}, found=clips + 20,
                          stored=20))
    for i in range(workers):
        tally.began(f'node-{i // 8}/{i % 8}', item(NAMES[i % len(NAMES)]))
    return tally


class Screen:
    """A terminal of a width: what escape sequences of a picture do to it."""

    def __init__(self, columns):
        self.columns, self.lines, self.row, self.column = columns, [''], 0, 0

    def feed(self, text):
        for up, erase, char in re.findall(
                r'\x1b\[(\d+)A|(\x1b\[J)|(.|\n)', text):
            if up:
                assert int(up) <= self.row, 'above what was drawn'
                self.row -= int(up)
            elif erase:
                self.lines[self.row:] = [self.lines[self.row][:self.column]]
            elif char == '\r':
                self.column = 0
            elif char == '\n' or self.column + cell_len(char) > self.columns:
                self.row, self.column = self.row + 1, 0
                self.lines.append('')
            if char.isprintable() and char:
                self.lines[self.row] += char
                self.column += cell_len(char)

    def narrow(self, columns):
        """Lines that are now too long are wrapped, as most terminals do."""
        wrapped = [line[i:i + columns] for line in self.lines
                   for i in range(0, max(len(line), 1), columns)]
        self.columns, self.lines = columns, wrapped
        self.row, self.column = len(wrapped) - 1, len(wrapped[-1])


class TestTally:

    def test_rate_and_time_left(self, clock):
        """Of the last minute; clips of other lengths change what is left."""
        tally = begun(workers=2)
        for _ in range(30):
            clock.now += 2
            for worker in ('node-0/0', 'node-0/1'):
                tally.progress(worker, 10)
                tally.ended(worker, item('a'), False)
                tally.began(worker, item('b'))
        assert tally.rate == pytest.approx(10)
        # 60 of 100 clips have ended, of which the headers promised 30 frames
        assert tally.left == pytest.approx(40 * 30 / 10)
        assert tally.share == pytest.approx(.6)
        clock.now += RECENT + 1  # nothing happens
        tally.passing()
        clock.now += RECENT + 1
        tally.passing()
        assert tally.rate == 0 and tally.left is None

    def test_a_lost_worker(self, clock):
        """What it read of its clip is counted as read, not as done."""
        tally = begun(workers=1)
        tally.progress('node-0/0', 15)
        assert tally.share == pytest.approx(15 / 3000)
        clock.now += 5
        tally.lost('node-0/0', 'was ended by SIGKILL')
        assert (tally.share, tally.frames, tally.busy) == (0, 15, [])
        one = tally.workers['node-0/0']
        assert one.seconds == 5 and one.lost == {'SIGKILL': 1}
        tally.ended('node-0/0', item('a'), True)
        assert one.state == 'lost' and one.failed == tally.finished == 1


class TestSentences:

    def test_now_and_then(self, clock, capsys):
        tally = begun(part='2 of 4')
        shown = Sentences(tally)
        for _ in range(100):
            clock.now += 1
            tally.progress('node-0/0', 3)
            tally.passing()
            shown.passing()
        tally.ended('node-0/0', item('a'), True)
        tally.settled('a', 'failed')
        said = capsys.readouterr().err.splitlines()
        assert len(said) == 2  # after 15 s and 60 s later
        assert said[0] == ('Part 2 of 4: 20 of 120 clips are done; 3 workers '
                           'read 3.0 frames/s.')
        assert sentence(tally) == (
            'Part 2 of 4: 20 of 120 clips are done, and 1 clip failed; 2 '
            'workers read 3.0 frames/s; about 16 min left.')

    def test_times(self):
        assert [*map(in_words, (7, 100, 7500, 200_000))] == [
            '7 s', '2 min', '2 h 5 min', '2 days 8 h']


class TestBar:

    def test_what_matters_least_is_left_out(self, clock):
        tally = begun(part='2 of 4')
        clock.now += 10
        tally.ended('node-0/0', item('a'), False)
        tally.settled('a', 'failed')
        tally.progress('node-0/1', 29)
        whole = bar_format(tally, 100)
        assert whole == ('part 2 of 4 {percentage:3.0f}%|{bar}| 20 of 120 '
                         'clips, 1 failed, 2 workers, 3 frames/s, 0:16:54 '
                         'left')
        assert 'workers' not in bar_format(tally, 80)
        assert bar_format(tally, 40).endswith('| 20 of 120 clips, 0:16:54 '
                                              'left')

    def test_lines_stay_above_it(self, clock, monkeypatch):
        file = io.StringIO()
        monkeypatch.setattr(progress.sys, 'stderr', file)
        tally = begun()
        with Bar(tally) as bar:
            tally.progress('node-0/0', 1500)
            clock.now += 1
            bar.show()
            bar.write('failed: a')
        drawn = file.getvalue().split('\r')
        assert any(' 50%|' in part for part in drawn)
        assert 'failed: a\n' in file.getvalue()
        assert file.getvalue().endswith('\n')


class TestDashboard:

    @pytest.mark.parametrize('columns', [30, 79, 200])
    @pytest.mark.parametrize('workers', [1, 3, 64])
    def test_lines_fit(self, clock, columns, workers):
        """Whatever the names; control characters are written out."""
        lines = picture(begun(workers), columns, 20)
        assert len(lines) == 2 + min(workers, 20) + (workers > 20)
        for line in lines:
            assert cell_len(line) <= columns and line.isprintable()
        assert (lines[-1] == 'and 44 more') == (workers == 64)

    def test_a_line_of_a_worker(self, clock):
        tally = begun(3)
        clock.now += 75
        tally.progress('node-0/1', 300)
        tally.lost('node-0/2', 'no progress for 300 s')
        lines = picture(tally, 150, 20)
        assert re.split('  +', lines[3]) == [
            'node-0/1', NAMES[1], '300', '4.0', '0:01:15', '0', '0', '0']
        assert re.split('  +', lines[4]) == [
            'node-0/2', '(lost)', '0', '0', '1']
        # columns stand below their titles
        assert cell_len(lines[3]) == cell_len(lines[1]) == cell_len(lines[4])

    def test_who_is_slow_is_seen(self, clock):
        """Where there are more workers than lines."""
        tally = begun(12)
        clock.now += 5
        for i in range(12):
            if i != 7:
                tally.began(f'node-{i // 8}/{i % 8}', item('new'))
        clock.now += 5
        assert any(line.startswith('node-0/7')
                   for line in picture(tally, 79, 2))
        names = [line.split()[0] for line in picture(begun(12), 79, 20)[2:]]
        assert names[-2:] == ['node-1/2', 'node-1/3']

    def test_one_picture_over_the_other(self, clock, monkeypatch):
        """In a window that becomes narrower, with lines written above."""
        screen, tally = Screen(100), begun()
        file = io.StringIO()

        def drawn(call, *words):
            call(*words)
            screen.feed(file.getvalue())
            file.seek(0)
            file.truncate()

        def size(columns):
            monkeypatch.setenv('COLUMNS', str(columns))
            monkeypatch.setenv('LINES', '24')

        size(100)
        dashboard = Dashboard(tally, file)
        screen.feed('before\n')
        drawn(dashboard.passing)
        drawn(dashboard.passing)  # too early: nothing is drawn
        drawn(dashboard.write, 'failed: a')
        assert screen.lines == ['before', 'failed: a',
                                *picture(tally, 99, 20)]
        size(50)
        screen.narrow(50)
        drawn(dashboard.show_now)
        assert screen.lines == ['before', 'failed: a',
                                *picture(tally, 49, 20)]
        drawn(dashboard.__exit__)
        assert screen.lines == ['before', 'failed: a',
                                picture(tally, 49, 20)[0], '']


class Ticks(Watch):

    def __init__(self):
        self.count = 0

    def passing(self):
        self.count += 1


def test_pools_say_that_time_passes():
    """Also while the only worker says nothing."""
    def work(number, report):
        time.sleep(2.5)

    ticks = Ticks()
    with Workers(lambda number: (work, None), 1) as workers:
        list(workers.run([1], Watches([ticks])))
    assert ticks.count >= 2


def test_a_run_in_this_process_counts_too():
    tally = Tally()
    tally.opened(Estimate(1, 5, 0, {}, found=1))
    pool = Here(lambda number: (lambda item, report: report(5), None))
    list(pool.run([item('a')], tally))
    assert tally.finished == 1 and tally.share == 1
    assert tally.workers['0'].all_frames == 5
