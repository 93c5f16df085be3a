"""Stacking: a linear layer over the streams, learnt on validation clips.

Weights, one a stream, are the same for all classes. A layer also knows that
one stream tells some classes better than others, and which classes a stream
takes for which (Wolpert, Stacked generalization, Neural Networks 1992). It is
drawn towards the given weights, so that few clips change little.
"""
from .choice import learn
from .files import read_stack, stack_content, stack_of, write_stack
from .layers import MEANINGS, Layer
from .stacks import (
    Stack,
    assess_stack,
    digest,
    refuse_other_streams,
    weights_of,
)

__all__ = ['MEANINGS', 'Layer', 'Stack', 'assess_stack', 'digest', 'learn',
           'read_stack', 'refuse_other_streams', 'stack_content', 'stack_of',
           'weights_of', 'write_stack']
