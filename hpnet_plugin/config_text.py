"""mmengine formats a config once, not four times a run.

The Runner prints the config, dumps it, and shows it to the visualizer and to
the checkpoint hook. Each time yapf formats the same text anew, which takes up
to two seconds for a config of HP-Net.
"""
from __future__ import annotations

import sys
from typing import Any

from .compat.hooks import after

MODULE = 'mmengine.config.config'
KEPT = 8  # texts


def format_once() -> None:
    """Keep what mmengine's formatter returned, by what it was given."""
    after(MODULE, _wrap)


def _wrap():
    config = sys.modules[MODULE]
    formatter, known = config.FormatCode, {}
    if hasattr(formatter, 'known'):
        return

    def format_code(text: str, **options: Any) -> tuple[str, bool]:
        key = text, repr(sorted(options.items()))
        if key not in known:
            if len(known) == KEPT:
                known.clear()
            known[key] = formatter(text, **options)
        return known[key]

    format_code.known = known
    config.FormatCode = format_code
