"""HP-Net for MMAction2: heatmap pooled features for action recognition.

Importing the package fills the gaps of the installed stock packages
(:mod:`hpnet_plugin.compat`) and registers its transforms, models and metrics
in ``mmaction.registry``. A config does both by::

    custom_imports = dict(imports=['hpnet_plugin'],
                          allow_failed_imports=False)
"""
from importlib import import_module
from importlib.util import find_spec

from .compat import apply_compat
from .version import __version__

apply_compat()

for _name in ('datasets', 'models', 'evaluation'):
    if find_spec(f'{__name__}.{_name}'):
        import_module(f'{__name__}.{_name}')

__all__ = ['__version__']
