"""How a subcommand of ``hpnet`` is declared, and how it ends."""
from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType

# an input or an output is not what the command line says it is; what else
# the system refuses (a full disk, for one) is not wrong usage
WRONG_PATH = (FileNotFoundError, FileExistsError, IsADirectoryError,
              NotADirectoryError, PermissionError)
WRONG_USAGE, FAILED, STOPPED, TERMINATED = 2, 1, 130, 143
AddOptions = Callable[[argparse.ArgumentParser], None]


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP: stop as Ctrl-C does."""


@dataclass(frozen=True)
class Command:
    """A subcommand: called with a command line, it returns its exit status.

    Attributes:
        name: What stands after ``hpnet``.
        about: The docstring of its module, which ``--help`` shows as it is.
        run: Does the work. It returns the exit status, None for 0.
        add_options: Adds its options to a parser.
        check: Ends the program (``parser.error``) where options do not fit
            together. It may complete them.
        refused: Errors whose text says what the user can mend: status 2.
        failed: Errors of work that was asked for rightly: status 1.
        stopped: What is said where it is stopped.
        signals: Whether SIGTERM and SIGHUP stop it as Ctrl-C does, but for
            the exit status 143.
        abbreviations: Whether options may be abbreviated.
        folders: Options that are dataset folders, which may be at a URL.
    """
    name: str
    about: str | None
    run: Callable[[argparse.Namespace], int | None]
    add_options: AddOptions = lambda parser: None
    check: Callable[[argparse.ArgumentParser, argparse.Namespace],
                    None] = lambda parser, args: None
    refused: tuple[type[Exception], ...] = (ValueError, )
    failed: tuple[type[Exception], ...] = ()
    stopped: str = 'stopped'
    signals: bool = False
    abbreviations: bool = True
    folders: tuple[str, ...] = ()

    def parse(self, argv: Sequence[str] | None = None) -> argparse.Namespace:
        """The options of a command line, and itself in ``words``."""
        words = list(sys.argv[1:] if argv is None else argv)
        parser = argparse.ArgumentParser(
            description=self.about, allow_abbrev=self.abbreviations,
            formatter_class=argparse.RawDescriptionHelpFormatter)
        self.add_options(parser)
        args = parser.parse_args(words)
        args.words = words
        self.check(parser, args)
        return args

    def __call__(self, argv: Sequence[str] | None = None) -> int:
        """Run it; an error that its user can mend is one line.

        What the system refuses, such as a full disk, is status 1 unless a
        path is wrong.
        """
        args = self.parse(argv)
        _obeyed.clear()
        try:
            if self.signals:
                _obey_signals()
            with _unwrapped():
                _fetch_folders(args, self.folders)
                return self.run(args) or 0
        except KeyboardInterrupt as stop:
            print(f'\nhpnet {self.name}: {self.stopped}', file=sys.stderr)
            return TERMINATED if isinstance(stop, Terminated) or _obeyed \
                else STOPPED
        except (*self.refused, *self.failed, OSError) as error:
            print(f'hpnet {self.name}: {message_of(error)}', file=sys.stderr)
            usage = (*self.refused, *WRONG_PATH)
            return WRONG_USAGE if isinstance(error, usage) and \
                not isinstance(error, self.failed) else FAILED


@contextlib.contextmanager
def _unwrapped() -> Iterator[None]:
    """Ctrl-C while a module is imported is Ctrl-C.

    Python 3.11 raises a RuntimeError for whatever ends ``__set_name__``,
    which imports call.
    """
    try:
        yield
    except RuntimeError as error:
        if isinstance(error.__cause__, KeyboardInterrupt):
            raise error.__cause__ from None
        raise


def message_of(error: BaseException) -> str:
    """What an error says, in words.

    Python puts the system's number of an ``OSError`` and quotes around it,
    and quotes around the text of a ``KeyError``.
    """
    if isinstance(error, KeyError) and error.args:
        return str(error.args[0])
    if not isinstance(error, OSError) or error.errno is None:
        return str(error)
    if error.filename is None:
        return str(error.strerror)
    # of a file that was to be renamed, the name that it was to have
    path = error.filename2 or error.filename
    if isinstance(error, IsADirectoryError):
        return f'{path} is a folder; a file is expected'
    if isinstance(error, FileExistsError):
        return f'{path} is a file; a folder is expected'
    if isinstance(error, NotADirectoryError):
        return f'{path}: a file stands where a folder is expected'
    what = str(error.strerror)
    return f'{path}: {what[:1].lower()}{what[1:]}'


def add_subcommands(parser: argparse.ArgumentParser, dest: str,
                    commands: Mapping[str, tuple[str, AddOptions]]) -> None:
    """Commands of a command, such as ``hpnet analyze gains``.

    Args:
        parser: Where they are added.
        dest: Where the name of the one chosen is kept; written large, what
            the usage calls it.
        commands: Name to what it does and what adds its options.
    """
    several = parser.add_subparsers(
        required=True, dest=dest, metavar=dest.upper())
    for name, (about, add_options) in commands.items():
        add_options(several.add_parser(
            name, help=about, description=about))


def _fetch_folders(args: argparse.Namespace, names: Sequence[str]) -> None:
    """Put the local copies of dataset folders in the place of their URLs."""
    if not any('://' in word for word in args.words):
        return
    from ..mirrors import local_folder
    for name in names:
        value = getattr(args, name, None)
        if isinstance(value, str):
            setattr(args, name, local_folder(value))
        elif isinstance(value, list):
            setattr(args, name, [local_folder(one) for one in value])


# signals that were obeyed: Ray makes a KeyboardInterrupt of what they raise
_obeyed: list[int] = []


def _obey_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):
        try:
            # one that nohup has switched off stays so
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, _terminate)
        except ValueError:
            return  # not the main thread: whoever calls decides


def _terminate(number: int, frame: FrameType | None) -> None:
    # a second one while the first is obeyed must not cut that short
    signal.signal(number, signal.SIG_IGN)
    _obeyed.append(number)
    raise Terminated
