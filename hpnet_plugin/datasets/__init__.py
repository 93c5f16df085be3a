from . import transforms  # noqa: F401  registers them
from .benchmarks import label_of, split_names

__all__ = ['label_of', 'split_names']
