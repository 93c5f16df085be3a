from . import transforms  # noqa: F401  registers them
from .benchmarks import label_of, split_names
from .pooled import PooledDataset

__all__ = ['PooledDataset', 'label_of', 'split_names']
