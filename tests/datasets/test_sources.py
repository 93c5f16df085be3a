import json
import os
import re

import pytest

from hpnet_plugin.datasets import clips as clip_names
from hpnet_plugin.datasets import labelling, sources, split_lists
from hpnet_plugin.datasets.sources import SourceClip, SourceError


@pytest.fixture
def videos(tmp_path):
    """Files are looked at by name only here."""
    for path in ('wave/b.mp4', 'wave/a.avi', 'bow/c.mp4', 'bow/notes.txt'):
        path = tmp_path / 'classes' / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / 'classes'


def test_subfolder_a_class(videos):
    clips = sources.find_clips(str(videos))
    assert [clip.name for clip in clips] == ['a', 'b', 'c']
    labels, classes = labelling.assign_labels(clips)
    assert classes == ['bow', 'wave']
    assert labels == dict(a=1, b=1, c=0)


def test_flat_folder_and_single_video(videos):
    clips = sources.find_clips(str(videos / 'wave'))
    assert [clip.name for clip in clips] == ['a', 'b']
    assert labelling.assign_labels(clips) == ({}, None)
    assert sources.find_clips(str(videos / 'wave/b.mp4')) == [
        SourceClip('b', str(videos / 'wave/b.mp4'))]


def test_list_file(videos):
    path = videos / 'list.txt'
    path.write_text('wave/a.avi 1\n\nbow/c.mp4 0\n')
    clips = sources.find_clips(str(path))
    assert [(clip.name, clip.label) for clip in clips] == [('a', '1'),
                                                           ('c', '0')]
    assert labelling.assign_labels(clips) == (dict(a=1, c=0), None)
    path.write_text('wave/a.avi\nbow/notes.txt\n')
    with pytest.raises(SourceError, match='line 2'):
        sources.find_clips(str(path))


def test_duplicated_names(videos):
    (videos / 'wave/a.mp4').touch()
    with pytest.raises(SourceError, match=r"two videos are named 'wave__a'.*"
                       r'a.avi.*a.mp4'):
        sources.find_clips(str(videos))


@pytest.mark.parametrize('content, message', [
    (None, 'no such video, folder or list file'),
    ('', 'holds no video'),
])
def test_nothing_there(tmp_path, content, message):
    path = tmp_path / 'list.txt'
    if content is not None:
        path.write_text(content)
    with pytest.raises(SourceError, match=message):
        sources.find_clips(str(path))


class TestLabels:

    clips = [SourceClip('a', 'a.mp4'), SourceClip('b', 'b.mp4')]

    def assign(self, tmp_path, text, classes=None):
        path = tmp_path / 'labels.txt'
        path.write_text(text)
        return labelling.assign_labels(
            self.clips, labelling.read_labels(str(path)), classes)

    def test_numbers_and_names(self, tmp_path):
        classes = ['bow', 'wave hello']
        for text in ('a 0\nb 1\n', 'a.mp4 bow\nb wave hello\n'):
            labels, names = self.assign(tmp_path, text, classes)
            assert labels == dict(a=0, b=1) and names == classes

    @pytest.mark.parametrize('text, classes, message', [
        ('a 0\nb 2\n', ['x', 'y'], "'b' has label 2, out of range.*0 to 1"),
        ('a 0\n', None, '1 of 2 clips have no label: b'),
        ('a 0\nb\n', None, 'line 2: expected "clip label"'),
        ('a 0\nb 1\na 1\n', None, "'a' is labelled '1' here and '0' before"),
        ('a bow\nb wafe\n', ['bow', 'wave'], "no class; closest: .'wave'"),
    ])
    def test_errors(self, tmp_path, text, classes, message):
        with pytest.raises(SourceError, match=message):
            self.assign(tmp_path, text, classes)

    def test_no_text(self, tmp_path):
        path = tmp_path / 'labels.txt'
        path.write_bytes(b'\xff\xfe\x00a')
        with pytest.raises(SourceError, match='no text file'):
            labelling.read_labels(str(path))


@pytest.mark.parametrize('content, message', [
    (dict(train=['a'], test=['bb']), "'test' names 1 unknown clips: bb; did "
     "you mean 'b'"),
    (dict(train=['a', 'b'], test=['b']), "'b' is in split 'test', and "
     "already in 'train'"),
    (dict(xsub_train_full=['a', 'b'], xsub_test=['b']),
     "'b' is in split 'xsub_test', and already in 'xsub_train_full'"),
    (dict(train=['a', 'a']), "'train' names clips twice: a"),
    (['a', 'b'], 'expected'),
    (dict(train='a'), 'expected'),
])
def test_wrong_splits(tmp_path, content, message):
    path = tmp_path / 'splits.json'
    path.write_text(json.dumps(content))
    with pytest.raises(SourceError, match=message):
        split_lists.read_splits(str(path), TestLabels.clips)


def test_splits(tmp_path):
    path = tmp_path / 'splits.json'
    path.write_text(json.dumps(dict(train=['a'], val=[], test=['b'])))
    assert split_lists.read_splits(str(path), TestLabels.clips) == dict(
        train=['a'], val=[], test=['b'])
    # protocols share clips, and train_full holds those of val
    several = dict(xsub_train=['a'], xsub_val=['b'],
                   xsub_train_full=['a', 'b'], xset_test=['a'])
    path.write_text(json.dumps(several))
    assert split_lists.read_splits(str(path), TestLabels.clips) == several
    path.write_text('{')
    with pytest.raises(SourceError, match='splits.json'):
        split_lists.read_splits(str(path), TestLabels.clips)


def test_nothing_is_skipped_without_a_word(videos):
    for path in ('.hidden.mp4', 'wave/.b.mp4', 'bow/noend', 'top.GIF',
                 'wave/more/d.mp4', '.git/e.mp4'):
        (videos / path).parent.mkdir(exist_ok=True)
        (videos / path).touch()
    (videos / 'bow/gone.mp4').symlink_to('nowhere.mp4')
    (videos / 'bow/loop.mp4').symlink_to('loop.mp4')
    (videos / 'bow/link.mp4').symlink_to('c.mp4')
    (videos / 'again').symlink_to(videos)
    (videos / 'wave2').symlink_to(videos / 'wave')
    found = sources.list_clips(str(videos))
    assert [clip.name for clip in found.clips] == ['a', 'b', 'c', 'link',
                                                   'top']
    assert found.clips == sources.find_clips(str(videos))
    skipped = {path.removeprefix(f'{videos}/'): why
               for path, why in found.skipped.items()}
    deeper = ('a folder in a subfolder: videos stand in the folder or one '
              'level below it')
    linked = 'a link to a folder that is read already'
    assert skipped == {
        '.hidden.mp4': 'hidden',
        '.git': 'hidden',
        'wave/.b.mp4': 'hidden',
        'wave/more': deeper,
        'bow/noend': 'its name has no suffix',
        'bow/notes.txt': '.txt is no suffix of a video',
        'bow/gone.mp4': 'a link to nowhere.mp4: No such file or directory',
        'bow/loop.mp4': 'a link to loop.mp4: Too many levels of symbolic '
                        'links',
        'again': linked,
        'wave2': linked,
    }


def test_what_was_skipped_is_named_where_nothing_is_left(tmp_path):
    (tmp_path / 'a.mp4').symlink_to('b.mp4')
    with pytest.raises(SourceError, match='a.mp4: a link to b.mp4: No such'):
        sources.find_clips(str(tmp_path))


def test_one_name_in_two_folders(videos):
    for path in ('bow/a.mp4', 'wave/c.mp4', 'b.mp4'):
        (videos / path).touch()
    clips = sources.find_clips(str(videos))
    assert [(clip.name, clip.path.removeprefix(f'{videos}/'), clip.label)
            for clip in clips] == [
                ('b', 'b.mp4', None),
                ('bow__a', 'bow/a.mp4', 'bow'),
                ('bow__c', 'bow/c.mp4', 'bow'),
                ('wave__a', 'wave/a.avi', 'wave'),
                ('wave__b', 'wave/b.mp4', 'wave'),
                ('wave__c', 'wave/c.mp4', 'wave')]
    path = videos / 'list.txt'
    path.write_text('wave/a.avi 1\nbow/a.mp4 0\nwave/b.mp4 1\n')
    assert [clip.name for clip in sources.find_clips(str(path))] == [
        'b', 'bow__a', 'wave__a']
    (videos / 'bow__a.mp4').touch()
    with pytest.raises(SourceError, match="two videos are named 'bow__a'"):
        sources.find_clips(str(videos))


def test_lines_of_a_list(tmp_path):
    path = tmp_path / 'list.txt'
    path.write_bytes('\ufeffa b.mp4 3\r\n# c.mp4 1\r\n\r\n'
                     "'d .mp4' 4\r\n\"#e.AVI\"\r\nf\u2028g.mp4\t5\r\n"
                     'h.mp4 wave hello\r\ni.mp4 j.mp4 6'.encode())
    assert {clip.path.removeprefix(f'{tmp_path}/'): clip.label
            for clip in sources.find_clips(str(path))} == {
                'a b.mp4': '3', 'd .mp4': '4', '#e.AVI': None,
                'f\u2028g.mp4': '5', 'h.mp4': 'wave hello',
                'i.mp4 j.mp4': '6'}


@pytest.mark.parametrize('name, problem', [
    ('S001C001P001R001A001_rgb', None),
    ('Tür 1, schön (2) 日本', None),
    ('a\nb', r"'a\\nb' holds a control character .*'\\n'"),
    ('a\tb', 'a control character'),
    ('a\u200bb', 'cannot be seen'),
    ('a\u2028b', 'cannot be seen'),
    ('a\udcffb', 'a byte that is not UTF-8'),
    ('a/b', 'a slash'),
    ('a' * 251, None),
    ('a' * 252, '256 bytes'),
    ('é' * 126, '256 bytes'),
    ('', 'empty'),
])
def test_names(name, problem):
    found = clip_names.name_problem(name)
    if problem is None:
        assert found is None
    else:
        assert found.isascii()
        assert re.search(problem, found)


def test_names_that_are_no_text_can_be_printed(tmp_path):
    path = tmp_path / os.fsdecode(b'\xff.mp4')
    path.touch()
    clip, = sources.find_clips(str(tmp_path))
    assert clip_names.name_problem(clip.name)
    with pytest.raises(SourceError, match=r'\\udcff.txt: no such') as error:
        sources.find_clips(str(path.with_suffix('.txt')))
    str(error.value).encode()
