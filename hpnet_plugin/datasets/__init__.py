"""Dataset folders: what is in them, and how training reads them."""
from ..lazy import lazy_names

__getattr__, __dir__ = lazy_names(__name__, {
    'benchmarks': ('label_of', 'split_names'),
    'pooled': ('PooledDataset', ),
})
__all__ = ['PooledDataset', 'label_of', 'split_names']
