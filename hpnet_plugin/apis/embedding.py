"""What a model knows of its clips before it decides: features and t-SNE."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from os.path import basename
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from mmaction.registry import DATASETS, MODELS
from mmengine.registry import init_default_scope
from mmengine.runner import Runner, load_checkpoint

from ..config_text import building
from ..config_text import read_config as read_config_file
from ..estimation.devices import device_of
from ..recipes.current import current_config
from ..weights import CheckpointError, problem

if TYPE_CHECKING:
    from mmaction.datasets import BaseActionDataset
    from mmaction.models import BaseRecognizer
    from mmengine.config import Config
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Features:
    """Features of N clips.

    Args:
        names: Clip names.
        labels: (N,) int64.
        values: (N, D) float32.
    """
    names: list
    labels: np.ndarray
    values: np.ndarray


def read_config(path: str, split: str | None = None,
                options: dict | None = None) -> Config:
    """Read a config whose test data shall be looked at.

    Args:
        path: The config.
        split: In place of the split of its test dataset.
        options: As of ``--cfg-options``.

    Returns:
        With the scope of its registry set.

    Raises:
        ValueError: If it is no config, or describes no model or test data.
    """
    config = read_config_file(path, imports=True)
    config.merge_from_dict(options or {})
    config = current_config(config)
    for key in ('model', 'test_dataloader'):
        if key not in config:
            raise ValueError(f'{path} has no {key}: give the config of a '
                             'training')
    init_default_scope(config.get('default_scope', 'mmaction'))
    if split is not None:
        config.test_dataloader.dataset.split = split
    return config


def clips_of(dataset: BaseActionDataset) -> tuple[list[str], np.ndarray]:
    """Clips of a dataset of the toolbox.

    Args:
        dataset: Its clips have ``frame_dir`` or
            ``filename``, and one label.

    Returns:
        tuple[list[str], np.ndarray]: Names and labels (N,).
    """
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    names = [basename(info.get('frame_dir') or info['filename'])
             for info in infos]
    return names, np.array([int(info['label']) for info in infos])


def choose(names: list[str], labels: np.ndarray,
           max_classes: int | None = None, per_class: int | None = None,
           seed: int = 0) -> set[str]:
    """Choose clips for a picture that can still be read.

    Args:
        names: Clip names; their order does not matter.
        labels: (N,) ints; clips without a label (-1) are left
            out.
        max_classes: Keep the classes with most clips, the
            lower label among equals.
        per_class: Draw at most so many clips of each class.
        seed: Of the draw.

    Returns:
        Names.
    """
    of_class = {}
    for name, label in sorted(zip(names, labels.tolist())):
        if label >= 0:
            of_class.setdefault(label, []).append(name)
    kept = sorted(of_class, key=lambda label: (-len(of_class[label]), label))
    draw = np.random.default_rng(seed)
    chosen = set()
    for label in sorted(kept[:max_classes]):
        clips = of_class[label]
        chosen.update(draw.permutation(clips)[:per_class].tolist())
    return chosen


def extract_features(config: Config, checkpoint: str,
                     max_classes: int | None = None,
                     per_class: int | None = None, seed: int = 0,
                     device: str = 'cpu', progress: Callable = iter
                     ) -> Features:
    """Features of the test clips of a config, before the head.

    They are the mean of what the backbone gives over people, time, joints or
    pixels, and views: what the head's linear layer sees. Of HP-Net they are
    F_c (Eq. 5), or the video's feature where it has no pooled ones.

    Args:
        config: See :func:`read_config`.
        checkpoint: Weights of its model, all of them.
        max_classes: See :func:`choose`, as the next two.
        per_class: Likewise.
        seed: Likewise.
        device: Where the model runs. Default: 'cpu'.
        progress: Wraps the batches, ``tqdm`` for instance.

    Returns:
        Sorted by clip name.

    Raises:
        ValueError: A device that is not there, a checkpoint that is not
            there or does not fit, or a model whose features are no single
            array.
    """
    with building(config.filename):
        dataset = DATASETS.build(config.test_dataloader.dataset)
    names, labels = clips_of(dataset)
    chosen = choose(names, labels, max_classes, per_class, seed)
    kept = sorted((i for i, name in enumerate(names) if name in chosen),
                  key=lambda i: names[i])
    dataset.get_subset_(kept)
    with building(config.filename):
        loader = Runner.build_dataloader(
            dict(config.test_dataloader, dataset=dataset,
                 sampler=dict(type='DefaultSampler', shuffle=False)))
    model: Any = load_model(config, checkpoint).to(device_of(device))
    values = []
    with torch.no_grad():
        for batch in progress(loader):
            data = model.data_preprocessor(batch, False)
            found = backbone_features(model, data['inputs'])
            clips = len(data['data_samples'])
            found = found.float().reshape(clips, -1, found.shape[1]).mean(1)
            values.append(found.cpu().numpy())
    return Features([names[i] for i in kept], labels[kept],
                    np.concatenate(values))


def load_model(config: Config, checkpoint: str) -> BaseRecognizer:
    """The model of a config with trained weights, in eval mode.

    Args:
        config: See :func:`read_config`.
        checkpoint: Weights of its model, all of them.

    Returns:
        On the CPU.

    Raises:
        FileNotFoundError: No such checkpoint.
        ValueError: A checkpoint that does not fit.
    """
    with building(config.filename):
        model = MODELS.build(config.model)
    try:
        load_checkpoint(model, checkpoint, map_location='cpu', strict=True)
    except Exception as error:
        raise CheckpointError(problem(
            checkpoint, error, config.filename, model)) from None
    return model.eval()


def backbone_features(model: BaseRecognizer, inputs: Tensor | dict) -> Tensor:
    """Features of a recogniser's backbone, the mean of each channel.

    Args:
        model: Of the toolbox, or HP-Net.
        inputs: As its data preprocessor leaves them.

    Returns:
        (B * views, D).

    Raises:
        ValueError: A backbone that gives several arrays.
    """
    from mmaction.models import RecognizerGCN

    from ..models import XCLIPRecognizer
    feats, _ = cast(Any, model).extract_feat(inputs)
    if isinstance(model, XCLIPRecognizer):
        video, _, pooled = feats
        return video if pooled is None else pooled.concat
    if not isinstance(feats, torch.Tensor):
        raise ValueError(f'the backbone of {type(model).__name__} gives a '
                         f'{type(feats).__name__}, expected one array')
    if isinstance(model, RecognizerGCN):
        return feats.mean((1, 3, 4))
    return feats.flatten(2).mean(2) if feats.ndim > 2 else feats


def embed(values: np.ndarray, seed: int = 0, perplexity: float = 30
          ) -> np.ndarray:
    """t-SNE of features, by scikit-learn.

    Args:
        values: (N, D).
        seed: Of what is random in it.
        perplexity: About how many neighbours a clip has; lowered to
            a third of the clips where there are few.

    Returns:
        (N, 2).
    """
    from sklearn.manifold import TSNE
    fit = TSNE(perplexity=min(perplexity, (len(values) - 1) / 3),
               init='pca', random_state=seed)
    return fit.fit_transform(np.asarray(values, np.float32))


def separation(values: np.ndarray, labels: np.ndarray, neighbours: int = 5
               ) -> dict:
    """How separate classes are: numbers, since pictures of t-SNE deceive.

    Args:
        values: (N, D), the features themselves.
        labels: (N,) ints.
        neighbours: That vote on each clip. Default: 5.

    Returns:
        ``silhouette``, the mean over the clips from -1 to 1, and
        ``knn_accuracy`` in percent, of clips whose nearest neighbours
        (without themselves, by Euclidean distance) vote for their class;
        the lower label wins a tie.

    Raises:
        ValueError: Fewer than two classes, or no more clips than classes or
            neighbours.
    """
    from sklearn.metrics import silhouette_score
    from sklearn.neighbors import NearestNeighbors
    clips, classes = len(labels), len(np.unique(labels))
    if not 2 <= classes < clips or clips <= neighbours:
        raise ValueError(
            f'{clips} clips of {classes} classes; at least two classes, and '
            f'more clips than classes and than {neighbours} are needed')
    near = NearestNeighbors(n_neighbors=neighbours).fit(values)
    votes = labels[near.kneighbors(return_distance=False)]
    won = np.array([np.bincount(row).argmax() for row in votes])
    return dict(silhouette=float(silhouette_score(values, labels)),
                knn_accuracy=float(100 * (won == labels).mean()))
