"""What tools and users call: trained models, costs, inputs, reproduction."""
from ..lazy import lazy_names

__getattr__, __dir__ = lazy_names(__name__, {
    'description': ('ModelDescription', ),
    'inferencer': ('HPNetInferencer', ),
    '.recipes.inputs': ('MissingInputError', 'missing_inputs'),
    '.runner': ('CheckedRunner', ),
    'trained': ('Trained', 'from_pretrained', 'load_trained',
                'save_pretrained'),
})
__all__ = ['CheckedRunner', 'HPNetInferencer', 'MissingInputError',
           'ModelDescription', 'Trained', 'from_pretrained', 'load_trained',
           'missing_inputs', 'save_pretrained']
