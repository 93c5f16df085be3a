"""A location of mmdet's registries: mmaction's heads and assigners of AVA."""
from .postponed import run_waiting

run_waiting()
