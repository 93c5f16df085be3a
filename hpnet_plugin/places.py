"""Where the files of this project are: in a clone, or in an installation."""
from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def configs_folder() -> Path:
    """The folder of configs, of the working tree or of an installation.

    Returns:
        The folder.

    Raises:
        FileNotFoundError: If there is none.
    """
    for folder in (PACKAGE.parent / 'configs', PACKAGE / '.mim/configs'):
        if (folder / 'model-index.yml').is_file():
            return folder
    raise FileNotFoundError(f'the configs are neither beside {PACKAGE} nor in '
                            'it: install the package again')
