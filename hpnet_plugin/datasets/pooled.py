"""The dataset folders of hpnet extract, as a dataset."""
from __future__ import annotations

import os.path as osp
from typing import Any

from mmaction.datasets import PoseDataset
from mmaction.registry import DATASETS
from mmengine.logging import MMLogger

from ..store import FeatureStore
from . import batches  # noqa: F401  registers stack_in_worker
from .clip_list import OutdatedClipListError, read_clip_list
from .sampling import seeded
from .transforms.clip import split_name
from .transforms.crops import LoadPersonCrops
from .transforms.loading import LoadPooledFeature

JOINTS = ('keypoint', 'keypoint_score')


@DATASETS.register_module()
class PooledDataset(PoseDataset):
    """``PoseDataset`` for which no process holds the joints of all clips.

    The clips come from the clip list beside the annotations
    (:mod:`hpnet_plugin.datasets.clip_list`), ``keypoint`` and
    ``keypoint_score`` of a clip from the feature store beside them, when the
    clip is asked for. Where the pipeline loads something else of the clip
    (``LoadPooledFeature``, ``LoadPersonCrops``), joints are not read, unless
    ``joints`` says so.

    Folders without a clip list or without the store that joints are needed
    of, and annotations that are newer than the list or of another size, are
    read as ``PoseDataset`` reads them; the log says so.

    Args:
        *args: See ``PoseDataset``; ``ann_file`` is ``annotations.pkl``, which
            need not be there if the clip list is.
        joints: Whether joints are read in any case. Defaults to False.
        **kwargs: See ``PoseDataset``.

    Attributes:
        nobody: Clips in which nobody was found, all zero.
    """

    def __init__(self, *args: Any, joints: bool = False,
                 **kwargs: Any) -> None:
        self._reads_joints = self._omits_joints = False
        self._wants_joints = joints
        self._store = None
        self.nobody = 0
        super().__init__(*args, **kwargs)

    def load_data_list(self) -> list[dict]:
        """See ``PoseDataset``.

        Returns:
            What is known of each clip.

        Raises:
            KeyError: If there is no such split.
        """
        loads = not self._wants_joints and any(
            map(_loads, self.pipeline.transforms))
        try:
            if not loads and not osp.isdir(self.store_root):
                raise FileNotFoundError(f'there is no {self.store_root}')
            clips = read_clip_list(self.ann_file or '')
        except (FileNotFoundError, OutdatedClipListError) as error:
            MMLogger.get_current_instance().info(
                f'{error}: all joints of {self.ann_file} are read into memory')
            infos = super().load_data_list()
            self.nobody = sum(info.get('nobody', False) for info in infos)
            return infos
        try:
            infos = clips.infos(self.split)
        except KeyError as error:
            raise KeyError(f'{self.ann_file}: {error.args[0]}') from None
        self._reads_joints, self._omits_joints = not loads, loads
        self.nobody = sum(info.get('nobody', False) for info in infos)
        if 'video' in self.data_prefix:
            for info in infos:
                info['frame_dir'] = osp.join(self.data_prefix['video'],
                                             info['frame_dir'])
        return infos

    @property
    def store_root(self) -> str:
        """The folder of the feature store, beside the annotations."""
        return osp.join(osp.dirname(self.ann_file or ''), 'features')

    def get_data_info(self, idx: int) -> dict:
        """See ``PoseDataset``; joints are copies, which may be changed.

        Args:
            idx: Number of the clip.

        Returns:
            What is known of it.
        """
        info = super().get_data_info(idx)
        if self._reads_joints:
            if self._store is None:
                self._store = FeatureStore(self.store_root)
            name = osp.basename(info['frame_dir'])
            info.update((key, self._store.read(name, key).copy())
                        for key in JOINTS)
        return info

    def prepare_data(self, idx: int) -> Any:
        """See ``BaseDataset``.

        Args:
            idx: Number of the clip; of a ``ClipSampler``, what is random in
                the pipeline follows its seed.

        Returns:
            What the pipeline makes of it.

        Raises:
            KeyError: If a transform needs joints that are not read.
        """
        try:
            with seeded(idx):
                return super().prepare_data(idx)
        except KeyError as error:
            if not self._omits_joints or error.args[0] not in JOINTS:
                raise
            info = self.get_data_info(idx)
            split_name(info)
            raise KeyError(
                f'clip {info["frame_dir"]}: a transform needs '
                f'{error.args[0]}, which PooledDataset does not read for a '
                'pipeline that loads features or crops; give the dataset '
                'joints=True') from error

    def __getstate__(self) -> dict[str, Any]:
        # each process opens its own: an open one may be large
        return dict(self.__dict__, _store=None)


def _loads(transform: object) -> bool:
    """Whether a transform, or one in it, loads what a clip is told by."""
    return isinstance(transform, (LoadPooledFeature, LoadPersonCrops)) or any(
        map(_loads, getattr(transform, 'transforms', ())))
