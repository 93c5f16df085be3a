"""What tools and users call: costs, inputs, reproduction."""
from ..lazy import lazy_names

__getattr__, __dir__ = lazy_names(__name__, {
    '.recipes.inputs': ('MissingInputError', 'missing_inputs'),
    '.runner': ('CheckedRunner', ),
})
__all__ = ['CheckedRunner', 'MissingInputError', 'missing_inputs']
