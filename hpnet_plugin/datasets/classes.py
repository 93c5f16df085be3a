"""Class names, in label order: of a benchmark, of a file, or given."""
from ..benchmark_files import read_classes

__all__ = ['read_classes']
