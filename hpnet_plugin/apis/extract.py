"""The extraction: one pass from videos to a dataset folder."""
import contextlib
import fcntl
import json
import os
import os.path as osp
import queue
import re
import sys
import threading
from collections import deque

import numpy as np
from tqdm import tqdm

from ..datasets.annotations import write_annotations
from ..datasets.imports import ImportedPosesError
from ..estimation import tracking
from ..estimation.detectors import DetectionError
from ..estimation.video import VideoError, probe, read_frames
from ..files import write_whole
from ..store import FeatureStore, StoreWriter
from .crops import CropRecorder

PERSONS = ('tracked', 'released')
# NTU's mutual actions, which the released extraction takes two people for
TWO_PERSON_ACTIONS = frozenset((*range(50, 61), *range(106, 121)))
PROBED = 64  # videos whose headers give the estimate of the whole


class NoPersonError(ValueError):
    """Nobody was found in a clip."""


class Extraction:
    """Extract the pooled features of many clips into a dataset folder.

    Decoding runs ahead in threads; detection, pose and pooling run in
    batches over the frames of all clips in flight. Batches are padded to one
    size, so that a clip's features do not depend on its neighbours, and
    clips are stored in their order: a run that was killed and resumed leaves
    the store of a run that was not.

    Args:
        extractor (PooledExtractor): Pose net, taps and pooling.
        detector (Detector, optional): Finds the people. Defaults to None:
            ``joints`` say where they are.
        max_people (int): People kept a clip. Defaults to 2.
        max_frames (int, optional): Frames kept a clip, evenly spread.
            Defaults to 300; None keeps all.
        max_gap (int): Longest absence in frames that is bridged when people
            are tracked, and filled linearly in their features. Defaults
            to 30.
        persons (str): ``'tracked'``, or ``'released'``: in the detector's
            order, two for NTU's mutual actions (known from the clip's name),
            else one, copied to the second slot. Defaults to ``'tracked'``.
        batch (int): Crops a forward of the pose net. Defaults to 32.
        workers (int): Videos that are decoded at once. Defaults to 2.
        crops (dict, optional): Write person-centred clips as well, with
            these ``size``, ``margin`` and ``fit`` of :class:`CropRecorder`;
            also of clips whose features are stored already. Defaults to
            None.
        joints (GivenJoints, optional): Joints that somebody else estimated:
            they tell who is where, are pooled at, and are stored; nobody is
            detected or tracked. Defaults to None.
    """

    def __init__(self,
                 extractor,
                 detector=None,
                 max_people=2,
                 max_frames=300,
                 max_gap=30,
                 persons='tracked',
                 batch=32,
                 workers=2,
                 crops=None,
                 joints=None):
        if persons not in PERSONS:
            raise ValueError(f'persons must be one of {PERSONS}, '
                             f'got {persons!r}')
        if (detector is None) == (joints is None):
            raise ValueError('either a detector or joints say where the '
                             'people are: give one of them')
        self.extractor, self.detector = extractor, detector
        self.joints = joints
        self.max_people, self.max_frames = max_people, max_frames
        self.max_gap, self.persons = max_gap, persons
        self.batch, self.workers, self.crops = batch, workers, crops
        # a few more than are kept, since who stays is known at the end only
        self.candidates = max_people + 2

    @property
    def record(self):
        """dict: What made the features; ``meta`` of the store."""
        source = self.joints or self.detector
        record = self.extractor.record
        if self.joints:
            record['layout'] = self.joints.layout
        return dict(
            version=1,
            **record,
            detector=dict(name=source.name, sha256=source.sha256),
            persons='given' if self.joints else self.persons,
            max_people=self.max_people,
            max_frames=self.max_frames,
            max_gap=self.max_gap)

    def expected_bytes(self, clips):
        """Expected size of the store and number of frames.

        Args:
            clips (list[Clip]): The clips; the headers of some are read.

        Returns:
            tuple[int]: Frames; bytes with one person a clip; bytes with
            ``max_people``.
        """
        step = max(1, len(clips) // PROBED)
        frames = []
        for clip in clips[::step]:
            with contextlib.suppress(VideoError):
                count = probe(clip.path).frames
                if count:
                    frames.append(min(count, self.max_frames or count))
        total = int(np.mean(frames) * len(clips)) if frames else 0
        joint = 2 * sum(self.extractor.taps.values()) + 4 * 3
        one = total * self.extractor.net.num_joints * joint
        return total, one, one * self.max_people

    def __call__(self, clips, out, prefix='', progress=True):
        """Extract clips that the store does not have yet.

        Args:
            clips (list[Clip]): The clips, in the order of the store.
            out (str): The dataset folder.
            prefix (str): Of this process's shards, where several fill one
                folder. Defaults to ''.
            progress (bool): Whether to show frames/s and time left.

        Returns:
            dict[str, str]: Clips that failed, and why.
        """
        os.makedirs(out, exist_ok=True)
        failures = {}
        with StoreWriter(
                osp.join(out, 'features'), self.record,
                prefix=prefix) as writer:
            done = writer.names
            if self.crops is not None:
                recorder = self._recorder(out)
                recorder.prepare()
            todo = [clip for clip in clips if clip.name not in done
                    or self.crops is not None
                    and not osp.isfile(recorder.path(clip.name))]
            total, _, _ = self.expected_bytes(todo)
            bar = tqdm(
                total=total or None,
                unit='frame',
                disable=not progress or not todo,
                mininterval=0.2 if sys.stderr.isatty() else 15,
                dynamic_ncols=True)
            with bar:
                for clip, result in self._results(todo, out, bar, done):
                    if result is None:  # its crops were missing, no more
                        continue
                    if isinstance(result, Exception):
                        failures[clip.name] = str(result)
                        bar.write(f'failed: {clip.name}: {result}')
                    else:
                        writer.add(clip.name, *result)
                bar.total = bar.n
        return failures

    def _recorder(self, out):
        return CropRecorder(out, max_people=self.max_people, **self.crops)

    def _results(self, clips, out, bar, done):
        """Yield (clip, result) in order; a result may be an error."""
        flying, pending = deque(), []
        for clip, chunks in _decode_ahead(clips, self.workers,
                                          self.max_frames):
            state = _ClipState(
                clip, None if self.crops is None else self._recorder(out),
                clip.name in done)
            flying.append(state)
            try:
                for numbers, frames in chunks:
                    pending += self._detect(state, numbers, frames)
                    bar.update(len(frames))
                    while len(pending) >= self.batch:
                        self._pose(pending[:self.batch])
                        del pending[:self.batch]
            except (VideoError, DetectionError, ImportedPosesError) as error:
                state.error = error
            state.decoded = True
            yield from self._finished(flying)
        if pending:
            self._pose(pending)
        yield from self._finished(flying)

    def _detect(self, state, numbers, frames):
        """Boxes and crops of a chunk of frames."""
        state.shape = frames[0].shape[:2]
        if self.joints:
            found, joints = self._given(state, numbers)
        else:
            found = [boxes[:self.candidates] for boxes in
                     self.detector.detect(frames, state.clip.name, numbers)]
        crops = []
        for i, (frame, boxes) in enumerate(zip(frames, found)):
            index = len(state.boxes)
            state.boxes.append(boxes)
            if state.recorder:
                state.recorder.add(frame, boxes)
            if state.stored:
                continue
            for k, box in enumerate(boxes):
                crops.append((state, (index, k),
                              *self.extractor.crop(frame, box),
                              joints[i][k] if self.joints else None))
        state.waiting += len(crops)
        return crops

    def _given(self, state, numbers):
        """Boxes of frames, and joints and scores of each box."""
        if state.given is None:
            state.given = self.joints.of(state.clip.name, state.shape,
                                         self.max_people)
        joints, scores, boxes, present = state.given
        if numbers[-1] >= present.shape[1]:
            raise ImportedPosesError(
                f'{state.clip.path} has more frames than the '
                f'{present.shape[1]} that joints are given for: they belong '
                'to another cut of this clip')
        found, at = [], []
        for t in numbers:
            slots = np.flatnonzero(present[:, t])
            state.slots.append(slots)
            found.append(boxes[slots, t])
            at.append([(joints[m, t], scores[m, t]) for m in slots])
        return found, at

    def _pose(self, items):
        """Run the pose net on one batch, padded to its full size."""
        pad = self.batch - len(items)
        crops = np.stack([item[2] for item in items + items[-1:] * pad])
        matrices = np.stack([item[3] for item in items + items[-1:] * pad])
        given = None
        if self.joints:
            given = np.stack([item[4][0] for item in items
                              + items[-1:] * pad])
        joints, scores, pooled = self.extractor(crops, matrices, given)
        for i, (state, at, _, _, known) in enumerate(items):
            state.found[at] = (joints[i],
                               scores[i] if known is None else known[1],
                               {tap: value[i] for tap, value in pooled.items()
                                })
            state.waiting -= 1

    def _finished(self, flying):
        """Clips at the head of the queue that are complete."""
        while flying and flying[0].decoded and (flying[0].error
                                                or not flying[0].waiting):
            state = flying.popleft()
            try:
                yield state.clip, state.error or self._assemble(state)
            except NoPersonError as error:
                yield state.clip, error

    def _assemble(self, state):
        """Arrays and info of a clip whose crops have all been through.

        None if they are stored already.
        """
        chosen = self._choose(state)
        people, frames = chosen.shape
        present = chosen >= 0
        if not present.any():
            raise NoPersonError(f'{state.clip.path}: nobody found in '
                                f'{frames} frames')
        if state.recorder:
            # before the store has the clip: a killed run leaves no clip in
            # it whose crops are still to be written
            state.recorder.write(state.clip.name, state.boxes, chosen)
        if state.stored:
            return None
        sample = next(iter(state.found.values()))
        arrays = {'keypoint': sample[0], 'keypoint_score': sample[1]}
        arrays.update(sample[2])
        arrays = {key: np.zeros((people, frames, *value.shape), value.dtype)
                  for key, value in arrays.items()}
        for m, t in zip(*np.nonzero(present)):
            joints, scores, pooled = state.found[t, chosen[m, t]]
            arrays['keypoint'][m, t] = joints
            arrays['keypoint_score'][m, t] = scores
            for tap, value in pooled.items():
                arrays[tap][m, t] = value
        if self.joints or self.persons == 'tracked':
            for key in arrays:
                if key != 'keypoint_score':
                    arrays[key] = tracking.fill_gaps(arrays[key], present,
                                                     self.max_gap)
        video = probe(state.clip.path)
        return arrays, dict(
            img_shape=list(state.shape),
            fps=video.fps,
            num_frames=video.frames or frames,
            source=osp.basename(state.clip.path))

    def _choose(self, state):
        """Who is in which slot: (M, T) indices into each frame's boxes."""
        if self.joints:
            people = 0 if state.given is None else len(state.given[0])
            chosen = np.full((people, len(state.slots)), -1)
            for t, slots in enumerate(state.slots):
                chosen[slots, t] = np.arange(len(slots))
            return chosen
        if self.persons == 'tracked':
            tracks = tracking.link(state.boxes, max_gap=self.max_gap)
            return tracking.select(tracks, state.boxes, self.max_people)
        action = re.search(r'A(\d{3})', state.clip.name)
        two = bool(action) and int(action[1]) in TWO_PERSON_ACTIONS
        return np.array([[
            min(slot, len(boxes) - 1) if two else min(0,
                                                      len(boxes) - 1)
            for boxes in state.boxes] for slot in range(2)])


class _ClipState:
    """What is known so far of a clip in flight."""

    def __init__(self, clip, recorder, stored):
        self.clip, self.recorder, self.stored = clip, recorder, stored
        self.boxes, self.found = [], {}
        self.given, self.slots = None, []
        self.waiting, self.decoded, self.error = 0, False, None
        self.shape = None


def _decode_ahead(clips, workers, max_frames):
    """Yield (clip, chunks of numbered frames) while others are decoded.

    Each clip has a short queue of its own, which bounds the memory.
    """
    running, rest = deque(), iter(clips)

    def start():
        clip = next(rest, None)
        if clip is None:
            return
        chunks = queue.Queue(maxsize=2)

        def decode():
            try:
                for chunk in read_frames(clip.path, max_frames):
                    chunks.put(chunk)
                chunks.put(None)
            except Exception as error:  # raised again by the consumer
                chunks.put(error)

        threading.Thread(target=decode, daemon=True).start()
        running.append((clip, chunks))

    def drain(chunks):
        while True:
            item = chunks.get()
            if item is None:
                return
            if isinstance(item, Exception):
                raise item
            yield item

    for _ in range(max(1, workers)):
        start()
    while running:
        clip, chunks = running.popleft()
        # its place is taken before it is consumed: decoding never pauses
        start()
        yield clip, drain(chunks)


def write_dataset(out, clips, labels, classes, splits, failures, record):
    """Write annotations.pkl, classes.txt and extraction.json.

    Safe to call from several processes that fill one folder: each writes
    what all have stored so far.

    Args:
        out (str): The dataset folder, with its ``features/``.
        clips (list[Clip]): All clips of the source.
        labels (dict[str, int]): Clip name to class.
        classes (list[str] | None): Class names in label order.
        splits (dict[str, list[str]]): Split to clip names, may be empty.
        failures (dict[str, str]): Failed clips of this process.
        record (dict): What made the features, and anything else to note.

    Returns:
        dict: What extraction.json holds.
    """
    with _locked(osp.join(out, 'features')):
        store = FeatureStore(osp.join(out, 'features'))
        write_annotations(
            store, osp.join(out, 'annotations.pkl'), labels, splits)
        if classes:
            write_whole(osp.join(out, 'classes.txt'),
                        ('\n'.join(classes) + '\n').encode())
        path = osp.join(out, 'extraction.json')
        earlier = {}
        if osp.isfile(path):
            with open(path, encoding='utf-8') as file:
                earlier = json.load(file).get('failures', {})
        names = {clip.name for clip in clips}
        failures = {name: why for name, why in {**earlier, **failures}.items()
                    if name in names and name not in store}
        content = dict(
            record,
            versions=versions(),
            clips=dict(
                found=len(clips), stored=len(store), failed=len(failures)),
            frames=sum(store.shape(n, 'keypoint')[1] for n in store.names),
            people=sum(store.shape(n, 'keypoint')[0] for n in store.names),
            splits={split: sum(name in store for name in members)
                    for split, members in splits.items()},
            failures=dict(sorted(failures.items())))
        write_whole(path, (json.dumps(content, indent=1) + '\n').encode())
    return content


def versions():
    """dict[str, str]: Versions of what the features depend on."""
    from importlib.metadata import PackageNotFoundError, version
    found = {}
    for name in ('hpnet-plugin', 'torch', 'mmpose', 'mmdet', 'onnxruntime',
                 'av', 'opencv-python-headless', 'opencv-python', 'numpy'):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


@contextlib.contextmanager
def _locked(folder):
    """One process at a time."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
