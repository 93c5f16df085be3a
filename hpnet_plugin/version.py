"""The version, in a file that setup.py reads without importing torch."""
__version__ = '0.1.0'
