"""What a trained model must be told to look at a new video.

A checkpoint holds it (``meta['hpnet']``), and so does the folder that
``save_pretrained`` or ``hpnet export`` writes (``hpnet.json``). Imports
neither torch nor mmaction.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

FILE = 'hpnet.json'
FORMAT, VERSION = 'hpnet_plugin model', 1


@dataclass(frozen=True)
class ModelDescription:
    """What a trained model must be told to look at a new video.

    Attributes:
        name: Of the run: ``'hp_j_ctrgcn_mine'``.
        classes: Class names in label order.
        facts: :class:`hpnet_plugin.facts.Facts` of the training data, as
            JSON data.
        extraction: What made its features: ``extraction.json`` without
            counts and splits: ``pose`` and ``detector`` with their sha256,
            ``taps``, ``region``, ``max_frames``, ….
        windows: How long the training clips are, in s: ``median``,
            ``longest``; and ``fps``, the median rate of their frames.
        input: What the model reads, for who prepares it without mmaction
            (:mod:`hpnet_plugin.apis.inputs`): ``kind`` (``'graph'`` or
            ``'hpnet'``), ``key`` (``'pooled_feat'`` or ``'keypoint'``),
            ``taps``, ``stream``, ``layout``, ``frames``, ``people``,
            ``normalize``, and for HP-Net ``crops``, ``side``, ``mean``,
            ``std``. None where its pipeline is another.
        output: ``'logit'`` or ``'probability'``: what its scores are.
        config: The whole config, as JSON data.
        calibration: Of ``hpnet calibrate``: ``temperature``, ``threshold``
            and how they were found. None where it was not.
        training: Where it comes from: epochs, seed, results, versions.
        members: Of a fusion: ``path`` (relative) and ``weight`` of each.
    """
    name: str
    classes: tuple[str, ...]
    facts: dict[str, Any] = field(default_factory=dict)
    extraction: dict[str, Any] = field(default_factory=dict)
    windows: dict[str, float] = field(default_factory=dict)
    input: dict[str, Any] | None = None
    output: str = 'logit'
    config: dict[str, Any] = field(default_factory=dict)
    calibration: dict[str, Any] | None = None
    training: dict[str, Any] = field(default_factory=dict)
    members: list[dict[str, Any]] = field(default_factory=list)
