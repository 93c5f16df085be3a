"""Scores of clips by exported models: numpy and onnxruntime alone."""
from __future__ import annotations

import os
import os.path as osp
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..evaluation.fusion import fuse_members
from ..onnx_session import open_exported
from .description import (
    FILE,
    FORMAT,
    DescriptionError,
    ModelDescription,
    read_description,
)
from .inputs import ClipInput, input_needs, model_inputs

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

# files of a folder that hpnet export wrote
MODEL, POSE = 'model.onnx', 'pose.onnx'
SCORES = 'scores'
# what a graph's metadata need not say
LEFT_OUT = ('config', 'training', 'members', 'learnt')


def is_exported(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder is one that ``hpnet export`` wrote.

    Args:
        folder: Any folder.

    Returns:
        True if it holds a description and all graphs.
    """
    folder = os.fspath(folder)
    if not osp.isfile(osp.join(folder, FILE)):
        return False
    if osp.isfile(osp.join(folder, MODEL)):
        return True
    members = read_description(folder).members
    return bool(members) and all(
        osp.isfile(osp.join(folder, member['path'], MODEL))
        for member in members)


def description_facts(about: ModelDescription) -> dict[str, Any]:
    """A description as the metadata of a graph, a key a part.

    Args:
        about: The description.

    Returns:
        JSON data by key.
    """
    return {key: value for key, value in about.to_json().items()
            if key not in LEFT_OUT}


class OnnxScorer:
    """Scores of an exported stream, HP-Net or fusion.

    Args:
        path: The folder that ``hpnet export`` wrote, or the ``model.onnx``
            of one model, whose metadata says all that is needed.
        device: ``'cpu'``, ``'cuda'`` or ``'cuda:1'``.
        threads: Threads on a CPU.
        batch: Clips that are computed at once.

    Attributes:
        description: What the model is.
        needs: What it reads of a clip: some of ``'features'``,
            ``'keypoint'`` and ``'crops'``.
        taps: Features that it reads.
        pose: File of pose net, decoding and pooling; None where it was left
            out.

    Raises:
        FileNotFoundError: If something is not there.
        ValueError: If a file is no exported model.
    """

    def __init__(self,
                 path: str | os.PathLike[str],
                 device: str = 'cpu',
                 threads: int = 1,
                 batch: int = 16) -> None:
        path = os.fspath(path)
        self._batch = batch
        if osp.isdir(path):
            self.description = read_description(path)
            members = self.description.members
            self._models = [
                _Model(osp.join(path, member['path'], MODEL), device, threads)
                for member in members]
        else:
            members = []
        if not members:
            file = osp.join(path, MODEL) if osp.isdir(path) else path
            model = _Model(file, device, threads)
            if not osp.isdir(path):
                self.description = model.description
            self._models = [model]
        stack = self.description.stack
        self._layer = None if stack is None else stack.layer
        self.taps = tuple(dict.fromkeys(
            tap for model in self._models for tap in model.reads['taps']))
        pose = osp.join(path, POSE)
        self.pose = pose if osp.isfile(pose) else None
        self.needs = frozenset().union(*(
            input_needs(model.reads) for model in self._models))

    def __call__(self, clips: Sequence[ClipInput]) -> np.ndarray:
        """Score clips.

        Args:
            clips: N of them.

        Returns:
            (N, K) float32, what ``mim test --dump`` holds; of a fusion the
            weighted sum of its members, or the logits of its layer.

        Raises:
            InputError: If a clip lacks what the model reads.
        """
        found = np.zeros((len(clips), len(self.description.classes)),
                         np.float32)
        members = self.description.members
        outputs = [model.description.output for model in self._models]
        for start in range(0, len(clips), self._batch):
            some = slice(start, start + self._batch)
            scores = [model(clips[some]) for model in self._models]
            found[some] = fuse_members(
                scores, outputs, members, self._layer) if members \
                else scores[0]
        return found


class _Model:
    """One graph."""

    def __init__(self,
                 file: str,
                 device: str,
                 threads: int | None) -> None:
        self._session, facts = open_exported(file, device, threads)
        try:
            self.description = ModelDescription.from_json(facts, file)
        except ValueError as error:
            raise ValueError(
                f'{file} is no model of hpnet export, whose metadata has a '
                f'{FORMAT!r}: {error}') from None
        if self.description.input is None:
            raise DescriptionError(f'{file}: it does not say what it reads')
        self.reads: dict[str, Any] = self.description.input

    def __call__(self, clips: Sequence[ClipInput]) -> np.ndarray:
        inputs = model_inputs(clips, self.reads)
        scores = run_graph(self._session, inputs)
        return scores.reshape(len(clips), -1, scores.shape[1]).mean(1)


def run_graph(session: InferenceSession,
              inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """Scores of a graph.

    Args:
        session: Of the graph.
        inputs: N clips each.

    Returns:
        (N, K). On a CPU a graph takes a clip at a time: what it computes on
        the way stays in the cache.
    """
    if session.get_providers() != ['CPUExecutionProvider']:
        return np.asarray(session.run([SCORES], dict(inputs))[0])
    clips = min(map(len, inputs.values()))
    return np.concatenate([np.asarray(session.run([SCORES], {
        name: value[i:i + 1] for name, value in inputs.items()})[0])
        for i in range(clips)])
