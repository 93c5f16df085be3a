"""annotations.pkl: the toolbox's PoseDataset format, from a feature store."""
import pickle

from ..files import write_whole


def write_annotations(store, path, labels, splits):
    """Write what mmaction2's ``PoseDataset`` reads.

    Args:
        store (FeatureStore): The clips; each becomes one annotation with
            ``keypoint`` (M, T, V, 2) in pixels of the original frame and
            ``keypoint_score`` (M, T, V), float32.
        path (str): The file, written whole or not at all.
        labels (dict[str, int]): Clip name to class; clips that are not there
            get -1 and can be predicted but not scored.
        splits (dict[str, list[str]]): Split to clip names; clips that the
            store does not have are left out. Where there are no splits, all
            clips form ``train`` and ``test``.
    """
    names = store.names
    annotations = []
    for name in names:
        info = store.info(name)
        keypoint = store.read(name, 'keypoint')
        shape = tuple(info['img_shape'])
        annotations.append(
            dict(
                frame_dir=name,
                total_frames=keypoint.shape[1],
                img_shape=shape,
                original_shape=shape,
                label=labels.get(name, -1),
                keypoint=keypoint.copy(),
                keypoint_score=store.read(name, 'keypoint_score').copy()))
    splits = splits or dict(train=names, test=names)
    stored = set(names)
    content = dict(
        split={split: [name for name in members if name in stored]
               for split, members in splits.items()},
        annotations=annotations)
    write_whole(path, pickle.dumps(content, protocol=4))
