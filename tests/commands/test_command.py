"""How commands end: one line, and an exit status that means something."""
import errno
import os
import signal

import pytest

from hpnet_plugin.cli import main
from hpnet_plugin.commands.command import Command, message_of
from hpnet_plugin.commands.options import (
    number,
    output_file,
    output_folder,
    positive,
    whole_number,
)
from hpnet_plugin.files import write_whole


def run(error, *refused, **options):
    """A command that raises an error; its exit status."""
    def work(args):
        raise error
    return Command('try', None, work, refused=refused, **options)([])


@pytest.mark.parametrize('error, status, text', [
    (ValueError('x is wrong'), 2, 'x is wrong'),
    (KeyError("clip 'x' is not there"), 2, "clip 'x' is not there"),
    (FileNotFoundError('x: no such folder'), 2, 'x: no such folder'),
    (OSError(errno.ENOSPC, 'x: no space'), 1, 'x: no space'),
    (OSError(errno.EIO, 'Input/output error', 'x'), 1,
     'x: input/output error'),
    (KeyboardInterrupt(), 130, 'stopped'),
])
def test_status(error, status, text, capsys):
    assert run(error, ValueError, KeyError) == status
    assert capsys.readouterr().err.strip() == f'hpnet try: {text}'


def test_ctrl_c_while_a_class_is_made(capsys):
    """In an import, for one: Python 3.11 makes another error of it."""
    class Slow:
        def __set_name__(self, owner, name):
            raise KeyboardInterrupt

    def work(args):
        type('Made', (), dict(slow=Slow()))

    assert Command('try', None, work)([]) == 130
    assert capsys.readouterr().err.strip() == 'hpnet try: stopped'


def test_work_that_failed(capsys):
    """Not by its user's words, though its error is a kind of theirs."""
    assert run(UnicodeError('it broke'), ValueError,
               failed=(UnicodeError, )) == 1
    assert capsys.readouterr().err == 'hpnet try: it broke\n'


def test_other_errors_are_bugs():
    with pytest.raises(TypeError):
        run(TypeError('a bug'), ValueError)


@pytest.mark.parametrize('ignored, wrapped', [
    (False, False), (False, True), (True, False)])
def test_signals(ignored, wrapped, capsys):
    """They stop a command as Ctrl-C does, unless nohup has switched them off.

    Ray raises a KeyboardInterrupt of its own for what a signal has raised.
    """
    def work(args):
        try:
            os.kill(os.getpid(), signal.SIGHUP)
        except KeyboardInterrupt:
            if wrapped:
                raise KeyboardInterrupt from None
            raise
        return 5

    before = [signal.getsignal(n) for n in (signal.SIGHUP, signal.SIGTERM)]
    try:
        signal.signal(signal.SIGHUP,
                      signal.SIG_IGN if ignored else signal.SIG_DFL)
        status = Command('try', None, work, signals=True, stopped='ended')([])
    finally:
        signal.signal(signal.SIGHUP, before[0])
        signal.signal(signal.SIGTERM, before[1])
    assert status == (5 if ignored else 143)
    assert capsys.readouterr().err == ('' if ignored else
                                       '\nhpnet try: ended\n')
    assert run(KeyboardInterrupt()) == 130


def test_words_of_the_system(tmp_path):
    """Without its numbers and quotes."""
    file = tmp_path / 'file'
    file.touch()
    for path, text in ((tmp_path / 'none', 'no such file or directory'),
                       (tmp_path, 'is a folder; a file is expected'),
                       (file / 'x', 'a file stands where a folder')):
        with pytest.raises(OSError) as error:
            open(path)
        assert message_of(error.value).startswith(str(path))
        assert text in message_of(error.value)


@pytest.mark.parametrize('read, text', [
    (whole_number(), '0'), (whole_number(), 'x'), (whole_number(0), '-1'),
    (whole_number(0, 9), '10'), (number(), 'nan'), (number(0), '-1'),
    (number(0, 1), '1.1'), (number(), 'x'),
    (positive, '0'), (positive, 'nan'), (positive, 'inf'), (positive, 'x')])
def test_numbers_that_will_not_do(read, text):
    with pytest.raises(Exception, match=f'{text} is not a'):
        read(text)


def test_outputs_are_looked_at_before_the_work(tmp_path, capsys):
    file = tmp_path / 'file'
    file.touch()
    assert output_file(str(tmp_path / 'new/x')) == str(tmp_path / 'new/x')
    assert output_file(str(file)) == str(file)
    assert output_folder(str(tmp_path)) == str(tmp_path)
    for words in (['fuse', 'none.pkl', '--json', str(tmp_path)],
                  ['fuse', 'none.pkl', '--out', str(file / 'x.pkl')],
                  ['extract', 'none', '--out', str(file)],
                  ['report', '--data', 'none', '--out', str(file / 'x')],
                  ['analyze', 'fisher', 'none', '--out', str(file)]):
        with pytest.raises(SystemExit) as end:
            main(words)
        assert end.value.code == 2
        said = capsys.readouterr().err
        assert str(tmp_path) in said and 'Traceback' not in said


def test_pipes_are_written_to_not_replaced():
    """/dev/stdout for one; root would lose the device."""
    out, into = os.pipe()
    try:
        write_whole(f'/dev/fd/{into}', [b'one ', b'two'])
        assert os.read(out, 100) == b'one two'
    finally:
        os.close(out)
        os.close(into)


def test_a_file_is_not_written_over_a_folder(tmp_path):
    with pytest.raises(IsADirectoryError) as error:
        write_whole(tmp_path, b'x')
    assert message_of(error.value) == \
        f'{tmp_path} is a folder; a file is expected'
    assert not list(tmp_path.iterdir())
