"""How a command ends where its user has to mend something: with one line."""
from __future__ import annotations

import sys
from collections.abc import Callable

# an input or an output is not what the command line says it is; what else
# the system refuses (a full disk, for one) is not wrong usage
WRONG_PATH = (FileNotFoundError, FileExistsError, IsADirectoryError,
              NotADirectoryError, PermissionError)
WRONG_USAGE, FAILED, STOPPED = 2, 1, 130


def message_of(error: BaseException) -> str:
    """What an error says, in words.

    Python puts the system's number of an ``OSError`` and quotes around it,
    and quotes around the text of a ``KeyError``.

    Args:
        error (BaseException): The error.
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
    return f'{path}: {error.strerror[:1].lower()}{error.strerror[1:]}'


def run_command(command: str,
                work: Callable[[], int | None],
                *refused: type[Exception],
                failed: tuple[type[Exception], ...] = (),
                stopped: str = 'stopped') -> int:
    """Do the work of a command; an error that its user can mend is one line.

    Args:
        command (str): Its name.
        work (callable): Returns the exit status, None for 0.
        refused (type): Errors whose text says what the user can mend.
        failed (tuple[type]): Errors of work that was asked for rightly.
        stopped (str): What is said after Ctrl-C.

    Returns:
        int: The exit status: that of the work; 2 where the usage is wrong, 1
        where the work failed or the system refuses something else (a full
        disk), 130 where it was stopped by Ctrl-C.
    """
    try:
        return work() or 0
    except KeyboardInterrupt:
        print(f'\nhpnet {command}: {stopped}', file=sys.stderr)
        return STOPPED
    except (*refused, *failed, OSError) as error:
        print(f'hpnet {command}: {message_of(error)}', file=sys.stderr)
        return WRONG_USAGE if not isinstance(error, failed) and isinstance(
            error, (*refused, *WRONG_PATH)) else FAILED
