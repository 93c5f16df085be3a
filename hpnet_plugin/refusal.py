"""The end of a program whose user has to mend something."""
from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from .facts import FactsError
from .recipes import SettingError
from .recipes.checks import ConfigError
from .recipes.inputs import MissingInputError
from .recipes.processes import first_of_machine
from .weights import CheckpointError


class Refused(SystemExit):
    """The end of a program whose user has to mend something: status 2.

    Args:
        text: What, and how. It is written to standard error, where it
            is the last word.
    """

    def __init__(self, text: str) -> None:
        super().__init__(2)
        self.text = f'\nERROR: {text}'
        sys.stdout.flush()
        if first_of_machine():
            print(self.text, file=sys.stderr, flush=True)

    def __str__(self) -> str:
        return self.text


@contextlib.contextmanager
def last_words() -> Iterator[None]:
    """Errors that a user can mend end the program with their message.

    Raises:
        Refused: In the place of such an error.
    """
    try:
        yield
    except (SettingError, FactsError, ConfigError, CheckpointError,
            MissingInputError) as error:
        raise Refused(str(error)) from None
