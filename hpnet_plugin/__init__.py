"""HP-Net for MMAction2: action recognition from pooled heatmap features.

Importing the package fills the gaps of the installed stock packages
(:mod:`hpnet_plugin.compat`) and registers its transforms, models, metrics
and runner in ``mmaction.registry``. A config does both by::

    custom_imports = dict(imports=['hpnet_plugin'],
                          allow_failed_imports=False)
"""
from .compat import apply_compat

apply_compat()  # before anything below imports the stock packages

from . import apis, datasets, evaluation, models  # noqa: E402
from .version import __version__  # noqa: E402

__all__ = ['__version__', 'apis', 'datasets', 'evaluation', 'models']
