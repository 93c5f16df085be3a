"""What tools and users call: costs, inputs, reproduction."""
from .inputs import CheckedRunner, MissingInputError, missing_inputs

__all__ = ['CheckedRunner', 'MissingInputError', 'missing_inputs']
