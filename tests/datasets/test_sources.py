import json

import pytest

from hpnet_plugin.datasets import sources
from hpnet_plugin.datasets.sources import Clip, SourceError


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
    labels, classes = sources.assign_labels(clips)
    assert classes == ['bow', 'wave']
    assert labels == dict(a=1, b=1, c=0)


def test_flat_folder_and_single_video(videos):
    clips = sources.find_clips(str(videos / 'wave'))
    assert [clip.name for clip in clips] == ['a', 'b']
    assert sources.assign_labels(clips) == ({}, None)
    assert sources.find_clips(str(videos / 'wave/b.mp4')) == [
        Clip('b', str(videos / 'wave/b.mp4'))]


def test_list_file(videos):
    path = videos / 'list.txt'
    path.write_text('wave/a.avi 1\n\nbow/c.mp4 0\n')
    clips = sources.find_clips(str(path))
    assert [(clip.name, clip.label) for clip in clips] == [('a', '1'),
                                                           ('c', '0')]
    assert sources.assign_labels(clips) == (dict(a=1, c=0), None)
    path.write_text('wave/a.avi\nbow/notes.txt\n')
    with pytest.raises(SourceError, match='line 2'):
        sources.find_clips(str(path))


def test_duplicated_names(videos):
    (videos / 'bow/a.mp4').touch()
    with pytest.raises(SourceError, match=r"two videos are named 'a'.*"
                       r'bow.*wave'):
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

    clips = [Clip('a', 'a.mp4'), Clip('b', 'b.mp4')]

    def assign(self, tmp_path, text, classes=None):
        path = tmp_path / 'labels.txt'
        path.write_text(text)
        return sources.assign_labels(
            self.clips, sources.read_labels(str(path)), classes)

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
            sources.read_labels(str(path))

    def test_repeated_classes(self, tmp_path):
        path = tmp_path / 'classes.txt'
        path.write_text('bow\nwave\nbow\n')
        with pytest.raises(SourceError, match='repeated'):
            sources.read_classes(str(path))


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
        sources.read_splits(str(path), TestLabels.clips)


def test_splits(tmp_path):
    path = tmp_path / 'splits.json'
    path.write_text(json.dumps(dict(train=['a'], val=[], test=['b'])))
    assert sources.read_splits(str(path), TestLabels.clips) == dict(
        train=['a'], val=[], test=['b'])
    # protocols share clips, and train_full holds those of val
    several = dict(xsub_train=['a'], xsub_val=['b'],
                   xsub_train_full=['a', 'b'], xset_test=['a'])
    path.write_text(json.dumps(several))
    assert sources.read_splits(str(path), TestLabels.clips) == several
    path.write_text('{')
    with pytest.raises(SourceError, match='splits.json'):
        sources.read_splits(str(path), TestLabels.clips)
