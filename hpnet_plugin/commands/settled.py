"""A config with settings: what mmaction2's scripts run."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import stock
from ..config_text import UnreadableConfigError, read_config
from ..facts import Facts, FactsError, read_facts
from ..files import write_whole
from ..own_files import short_name
from ..recipes import SettingError, recompose
from ..recipes.checks import (
    ConfigError,
    refuse_disagreements,
    refuse_unknown_keys,
)
from ..recipes.inputs import MissingInputError, refuse_missing
from .names import Named, UnknownNameError
from .options import config_options

if TYPE_CHECKING:
    from mmengine.config import Config

    from ..recipes.reading import ConfigLike

# what a user can mend; said in a line, with exit status 2
REFUSALS = (ConfigError, FactsError, FileNotFoundError, MissingInputError,
            SettingError, UnknownNameError, UnreadableConfigError)


class Job(NamedTuple):
    """What a script is started with.

    Attributes:
        config (Config): The whole config.
        work_dir (str): Folder of the results, unless another is asked for.
    """
    config: Any
    work_dir: str

    def write(self, folder: str, name: str) -> str:
        """Write the config for a script; the file."""
        path = Path(folder, f'{name}.py')
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, self.config.pretty_text.encode())
        return str(path)


def settle(named: Named,
           given: Mapping[str, str],
           words: Sequence[str] = (),
           phases: Sequence[str] = ()) -> Job:
    """Bring a config and settings together.

    Args:
        named: The config.
        given: ``data_root``, ``benchmark``, ``net``, ``size``.
        words: The user's own ``--cfg-options``.
        phases: Whose inputs must be there.

    Raises:
        Exception: One of ``REFUSALS``, whose text says what is wrong.
    """
    from mmengine.config import Config
    config = read_config(named.path)
    try:
        own = config_options(words)
    except ValueError as error:
        raise SettingError(str(error)) from None
    if config.get('composed'):
        # first the settings: what the words change is in what follows
        for changes in ({**named.settings, **given}, own):
            config.merge_from_dict(changes)
            _refuse_no_model(config, named.path)
            whole = config.to_dict()
            refuse_unknown_keys(whole)
            config = Config(recompose(whole))
        refuse_disagreements(config)
        refuse_missing(config, phases)
    else:
        _refuse_no_model(config, named.path)
        folder = given.get('data_root')
        if set(given) - {'data_root'}:
            raise SettingError(
                f'{named.path} takes a dataset folder (--data) and '
                '--cfg-options; --benchmark, --net and --small are for this '
                "package's own configs")
        if folder:
            config.merge_from_dict(stock_options(config, read_facts(folder)))
        # it says in a line what is wrong, and little else
        config.setdefault('runner_type', 'CheckedRunner')
        config.merge_from_dict(own)
    return Job(config, _work_dir(named, given, config))


def _refuse_no_model(config: Config, path: str) -> None:
    model = config.get('model')
    if not isinstance(model, Mapping):
        raise ConfigError(
            f'{path} describes no model: its model is {model!r}; a config of '
            'a training has model=dict(type=…, …)')


def stock_options(config: ConfigLike, facts: Facts) -> dict[str, Any]:
    """What brings a stock config to a folder, dotted key to value.

    Args:
        config: A config of mmaction2's on ``PoseDataset``.
        facts: The folder's.

    Raises:
        SettingError: If the config is none of poses, or the folder has no
            labels.
    """
    if facts.classes is None:
        raise SettingError(f'{facts.folder} has no labels: nothing can be '
                           'trained or tested on it')
    found = stock.settings(config, facts)
    if not found:
        raise SettingError(
            'the config reads no PoseDataset; --data fills in the folder of '
            'configs on PoseDataset (skeleton/…)')
    return found


def _work_dir(named: Named, given: Mapping[str, str], config: Config) -> str:
    """``work_dirs/NAME_NET_DATA``; NAME alone where nothing else is said."""
    words = [named.name]
    net = config.get('net') if named.recipe == 'stream' else given.get('net')
    if net:
        words.append(short_name(net))
    if given.get('size'):
        words.append(given['size'])
    data = given.get('data_root') or given.get('benchmark') or (
        config.get('benchmark') if named.recipe else None)
    if data:
        words.append(Path(data).resolve().stem)
    return str(Path('work_dirs', '_'.join(words)))
