"""The part of ``pkg_resources`` that mim and mmengine use.

See :mod:`hpnet_plugin.compat.pkg_resources_gone`.
"""
from __future__ import annotations

from importlib import metadata

from packaging.version import Version
from packaging.version import parse as parse_version

DistributionNotFound = metadata.PackageNotFoundError


class Distribution:
    """An installed package, with the names that pkg_resources gives.

    Attributes:
        project_name (str): Its name.
        version (str): Its version.
        location (str): The folder that it is installed in.
    """

    def __init__(self, found: metadata.Distribution) -> None:
        self._found = found
        self.project_name = found.metadata['Name']
        self.version = found.version
        self.location = str(found.locate_file(''))

    def has_metadata(self, name: str) -> bool:
        """Whether there is such a file of metadata (``'top_level.txt'``)."""
        return self._found.read_text(name) is not None

    def get_metadata(self, name: str) -> str:
        """The text of such a file.

        Raises:
            FileNotFoundError: If there is none.
        """
        text = self._found.read_text(name)
        if text is None:
            raise FileNotFoundError(
                f'{self.project_name} has no metadata file {name!r}')
        return text


def get_distribution(name: str) -> Distribution:
    """An installed package by its name.

    Raises:
        DistributionNotFound: If it is not installed.
    """
    return Distribution(metadata.distribution(name))


# What "mim list" goes through; read anew when the module is reloaded, which
# is how mim and mmengine refresh it.
working_set = [Distribution(found) for found in metadata.distributions()
               if found.metadata['Name']]

__all__ = ['Distribution', 'DistributionNotFound', 'Version',
           'get_distribution', 'parse_version', 'working_set']
