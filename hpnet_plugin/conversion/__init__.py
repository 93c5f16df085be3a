"""Published checkpoints under the names of this package's models.

One file a format: :mod:`~hpnet_plugin.conversion.hpnet` and
:mod:`~hpnet_plugin.conversion.ctrgcn` (the released code),
:mod:`~hpnet_plugin.conversion.xclip_weights`,
:mod:`~hpnet_plugin.conversion.clip` and
:mod:`~hpnet_plugin.conversion.simcc`. Reading a file never runs code from it:
see :func:`read_weights`.
"""
from ..lazy import lazy_names

__getattr__, __dir__ = lazy_names(__name__, {
    'checkpoint': ('KINDS', 'Conversion', 'convert', 'convert_checkpoint'),
    'kind': ('ConversionError', 'Kind'),
    'reading': ('read_weights', 'shortened'),
})
__all__ = ['KINDS', 'Conversion', 'ConversionError', 'Kind', 'convert',
           'convert_checkpoint', 'read_weights', 'shortened']
