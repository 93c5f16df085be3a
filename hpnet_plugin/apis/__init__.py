"""What tools and users call: costs, inputs, reproduction."""
from ..lazy import lazy_names

_NAMES = {'inputs': ('CheckedRunner', 'MissingInputError', 'missing_inputs')}
__getattr__, __dir__ = lazy_names(__name__, _NAMES)
__all__ = ['CheckedRunner', 'MissingInputError', 'missing_inputs']
