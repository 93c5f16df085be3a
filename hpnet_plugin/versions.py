"""Versions of installed packages, as records name them."""
from __future__ import annotations

import contextlib
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

# What extracted features depend on.
EXTRACTION = ('hpnet-plugin', 'torch', 'mmpose', 'mmdet', 'onnxruntime', 'av',
              'opencv-python-headless', 'opencv-python', 'numpy')
# What a training depends on.
TRAINING = ('hpnet-plugin', 'torch', 'mmengine', 'mmaction2', 'mmcv', 'numpy')


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Versions of those packages that are installed.

    Args:
        packages: Their names, as pip knows them.

    Returns:
        Name to version.
    """
    found = {}
    for package in packages:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
