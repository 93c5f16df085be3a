"""Models as functions of clips in memory."""
from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..config_text import building
from ..evaluation.fusion import fuse_members
from ..lazy import refuse_without
from .description import ModelDescription
from .inputs import ClipInput
from .registered import refuse_unregistered_steps

if TYPE_CHECKING:
    from .trained import Trained


BACKENDS = ('torch', 'onnx')


class Scorer(Protocol):
    """A model that scores clips.

    Attributes:
        description: What it is.
        needs: What it reads of a clip: some of ``'features'``,
            ``'keypoint'`` and ``'crops'``.
        taps: Features that it reads, none where it reads none.
        pose: File of pose net, taps and pooling, where it was exported with
            them.
    """
    description: ModelDescription
    needs: frozenset[str]
    taps: tuple[str, ...]
    pose: str | None

    def __call__(self, clips: Sequence[ClipInput]) -> np.ndarray:
        """Scores (N, K) float32 of N clips, as a test would dump them."""


class TorchScorer:
    """A model of mmaction2 behind the test pipeline of its own config.

    Args:
        trained: The model.
        device: Where it runs. Defaults to ``'cpu'``.

    Raises:
        ValueError: If the device is not there, or the pipeline reads
            something that a clip in memory has not.
    """

    pose = None

    def __init__(self, trained: Trained, device: str = 'cpu') -> None:
        from mmengine.dataset import Compose
        from mmengine.registry import init_default_scope

        from ..datasets.transforms import LoadPersonCrops, LoadPooledFeature
        from ..estimation.devices import device_of
        from ..recipes.reading import innermost
        self.description = trained.description
        self.device = device_of(device)
        init_default_scope('mmaction')
        self._model = trained.build(self.device)
        with building(f'the test pipeline of {self.description.name}'):
            loader = trained.description.config['test_dataloader']
            pipeline = innermost(loader['dataset'])['pipeline']
            refuse_unregistered_steps(
                pipeline, f'the test pipeline of {self.description.name}')
            self._pipeline = Compose(pipeline)
        steps = list(_steps(self._pipeline.transforms))
        foreign = [type(step).__name__ for step in steps
                   if type(step).__name__ in _FROM_FILES]
        if foreign:
            raise ValueError(
                f'{self.description.name} reads {foreign[0]}, which a video '
                'has no file for; models of joints, of pooled features and '
                'of person crops can be asked about a new video')
        taps = [_taps(step.tap, self.description) for step in steps
                if isinstance(step, LoadPooledFeature)]
        crops = any(isinstance(step, LoadPersonCrops) for step in steps)
        self.needs = frozenset(
            ('features', ) * bool(taps) + ('crops', ) * crops
            or ('keypoint', ))
        self.taps = tuple(dict.fromkeys(tap for some in taps for tap in some))

    def __call__(self, clips: Sequence[ClipInput]) -> np.ndarray:
        """See :class:`Scorer`."""
        import torch
        from mmengine.dataset import pseudo_collate
        if not clips:
            return np.zeros((0, len(self.description.classes)), np.float32)
        batch = pseudo_collate([self._pipeline(_results(clip))
                                for clip in clips])
        with torch.inference_mode():
            samples = self._model.test_step(batch)
        return torch.stack([sample.pred_score for sample in samples]
                           ).float().cpu().numpy()


# transforms that read a file of 3D joints or of the whole video
_FROM_FILES = ('PreNormalize3D', 'DecordInit', 'PyAVInit', 'OpenCVInit',
               'RawFrameDecode', 'MMDecode')


def _taps(tap: str | Sequence[str] | None, description: ModelDescription
          ) -> list[str]:
    """Features that a step loads."""
    if tap is None:  # the store's only one
        return list(description.extraction.get('taps') or ())[:1]
    return [tap] if isinstance(tap, str) else list(tap)


def _steps(transforms: Iterable[Any]) -> Iterator[Any]:
    for step in transforms:
        yield step
        yield from _steps(getattr(step, 'transforms', ()))


def _results(clip: ClipInput) -> dict:
    """A clip as the dataset gives it to its pipeline."""
    return dict(
        frame_dir=clip.name,
        total_frames=clip.arrays['keypoint'].shape[1],
        # transforms write into what they are given
        keypoint=clip.arrays['keypoint'].copy(),
        keypoint_score=clip.arrays['keypoint_score'].copy(),
        features=clip.arrays,
        img_shape=tuple(clip.shape),
        original_shape=tuple(clip.shape),
        start_index=0,
        modality='Pose',
        test_mode=True,
        label=-1,
        **({} if clip.crops is None else dict(crops=clip.crops)))


class FusedScorer:
    """Several models' scores, summed with weights or by a learnt layer.

    Args:
        scorers: The models, of one list of classes.
        description: Of the fusion; its ``members`` say the weight of each,
            and what it is of, and ``learnt`` the layer, if there is one.
    """

    def __init__(self, scorers: Sequence[Scorer],
                 description: ModelDescription) -> None:
        self.scorers, self.description = list(scorers), description
        stack = description.stack
        self._layer = None if stack is None else stack.layer
        self.needs = frozenset().union(*(s.needs for s in scorers))
        self.taps = tuple(dict.fromkeys(
            tap for scorer in scorers for tap in scorer.taps))
        self.pose = next(
            (scorer.pose for scorer in scorers if scorer.pose), None)

    def __call__(self, clips: Sequence[ClipInput]) -> np.ndarray:
        """See :class:`Scorer`."""
        if not clips:
            return np.zeros((0, len(self.description.classes)), np.float32)
        scores = [scorer(clips) for scorer in self.scorers]
        outputs = [s.description.output for s in self.scorers]
        total = fuse_members(scores, outputs, self.description.members,
                             self._layer)
        return total.astype(np.float32)


def build_scorer(model: str | Sequence[str],
                 weights: Sequence[float] | None = None,
                 device: str = 'cpu',
                 backend: str | None = None,
                 learnt: str | os.PathLike[str] | None = None) -> Scorer:
    """A model, or the fusion of several, as a function of clips.

    Args:
        model: See :func:`hpnet_plugin.apis.load_trained`; or several
            of these.
        weights: One a model, see
            :func:`hpnet_plugin.apis.members.default_members`.
        device: Where torch runs it.
        backend: ``'torch'`` or ``'onnx'``; by default what the folder has.
        learnt: What ``hpnet fuse --learn --save`` wrote, in place of weights:
            the models are fused by its layer, one for each of its streams, in
            the same order.

    Returns:
        The function of clips.

    Raises:
        FileNotFoundError: If it is not there.
        ValueError: If it cannot be built.
    """
    if backend not in (None, *BACKENDS):
        raise ValueError(f'backend={backend!r}: expected one of {BACKENDS}')
    paths = [model] if isinstance(model, (str, os.PathLike)) else list(model)
    if weights is not None and len(weights) != len(paths):
        raise ValueError(f'{len(weights)} weights for {len(paths)} models')
    if weights is not None and learnt is not None:
        raise ValueError(f'{learnt} has the weights of its models: leave '
                         f'weights={list(weights)} out')
    found = [_build(path, device, backend) for path in paths]
    if len(found) == 1 and learnt is None:
        return found[0][1]
    from .members import default_members, fusion_description, learnt_members
    models, layer = [trained for trained, _ in found], None
    if learnt is None:
        members = default_members(models, weights)
    else:
        members, layer = learnt_members(models, learnt)
    name = ' + '.join(trained.description.name for trained in models)
    return FusedScorer([scorer for _, scorer in found],
                       fusion_description(models, members, name, None, layer))


def _build(path: str | os.PathLike[str], device: str, backend: str | None
           ) -> tuple[Trained, Scorer]:
    """What a path holds, and its scorer."""
    from .onnx_scorer import OnnxScorer, is_exported
    from .trained import Trained, load_trained
    exported = is_exported(path)
    if backend == 'onnx' and not exported:
        raise ValueError(f'{path} is no folder of ONNX files: hpnet export '
                         'writes one')
    if exported:
        if backend == 'torch':
            raise ValueError(f'{path} holds ONNX files, which torch does not '
                             "run: leave backend='torch' out")
        scorer = OnnxScorer(path, device)
        return Trained(scorer.description, os.fspath(path), None, dict), scorer
    refuse_without(('torch', 'mmaction'), f'the model {path}', 'a folder of '
                   'hpnet export runs by onnxruntime alone')
    trained = load_trained(path)
    if trained.description.members:
        return trained, FusedScorer(
            [_build(member.folder, device, backend)[1]
             for member, _ in trained.members], trained.description)
    return trained, TorchScorer(trained, device)
