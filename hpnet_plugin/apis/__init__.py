"""What tools and users call: costs, inputs, reproduction."""
from ..recipes.inputs import MissingInputError, missing_inputs
from ..runner import CheckedRunner

__all__ = ['CheckedRunner', 'MissingInputError', 'missing_inputs']
