"""Broken and hostile files for every reader; see run.py."""
