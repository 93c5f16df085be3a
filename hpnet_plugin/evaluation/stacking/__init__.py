"""Stacking: a linear layer over the streams, learnt on validation clips.

Weights, one a stream, are the same for all classes. A layer also knows that
one stream tells some classes better than others, and which classes a stream
takes for which (Wolpert, Stacked generalization, Neural Networks 1992). It is
drawn towards the given weights, so that few clips change little.
"""
from .choice import learn
from .files import read_stack, write_stack
from .layers import Layer
from .stacks import Stack, assess_stack, refuse_other_streams, weights_of

__all__ = ['Layer', 'Stack', 'assess_stack', 'learn', 'read_stack',
           'refuse_other_streams', 'weights_of', 'write_stack']
