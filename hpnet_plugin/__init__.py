"""HP-Net for MMAction2: action recognition from pooled heatmap features.

Importing the package sees to it that the gaps of the installed stock
packages are filled (:mod:`hpnet_plugin.compat`) and that mmaction's
registries find its transforms, models, metrics and runner
(:mod:`hpnet_plugin.registration`). A config asks for both by::

    custom_imports = dict(imports=['hpnet_plugin'],
                          allow_failed_imports=False)

Nothing else is imported before it is used.
"""
from .compat import apply_compat
from .compat.mim_status import leave_the_last_word
from .compat.postponed import postpone
from .compat.quiet_imports import pause_garbage_collection
from .config_text import format_once
from .lazy import lazy_names
from .registration import register
from .version import __version__

apply_compat()  # before anything imports the stock packages
pause_garbage_collection()
postpone()
register()
format_once()
leave_the_last_word()

_MODULES = ('apis', 'datasets', 'evaluation', 'models', 'store')
__getattr__, __dir__ = lazy_names(__name__, dict.fromkeys(_MODULES, ()))
__all__ = ['__version__', *_MODULES]
