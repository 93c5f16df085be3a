"""How long a large extraction takes, what it costs, and what bounds it.

Arithmetic alone: each function is one equation, and all rates come from
:class:`Rates`, which somebody measured on the machine that will do the work
(``hpnet plan --measure``). Bytes are those of the formats. What was not
measured (None) bounds nothing, and is named by :func:`unknown`.
"""
from __future__ import annotations

import json
import math
from typing import NamedTuple

LENGTH, JOINTS, CHANNELS = 300, 17, 96  # of what hpnet extract stores
JOINT = 12  # bytes of a joint: x, y and score, float32
HALF, TIME = 2, 8  # bytes of a pooled number, and of a time stamp
JOURNAL = 64 << 20  # bytes that a writer keeps before it writes a shard
MOST = 100_000  # machines that are looked at
WRITING, NETWORK = 'writing the store', "the driver's network"
SOURCE, STORAGE = 'reading videos', 'the storage'
FINISH = 'index and annotations'


class RatesError(ValueError):
    """A file of rates that cannot be used; the message says why."""


class Rates(NamedTuple):
    """What one machine does, measured.

    Attributes:
        workers: Processes on it.
        frames: Frames of video a second that they extract together.
        frame_seconds: Of one worker alone, for a frame of the video.
        decode_seconds: Of these, decoding.
        crop_seconds: Pose net and pooling, of one crop.
        crops: Crops in a frame of the videos that were measured.
        frame_bytes: Bytes of a frame in the video file.
        write: Bytes a second of one writer, through journal and shards.
        annotate: Bytes a second of annotations.pkl.
        consolidate: Clips a second of the consolidated index.
        index_bytes: Bytes of that index a clip.
        crop_bytes: Bytes of person crops a frame, if they are written.
    """
    workers: int
    frames: float
    frame_seconds: float | None = None
    decode_seconds: float | None = None
    crop_seconds: float | None = None
    crops: float | None = None
    frame_bytes: float | None = None
    write: float | None = None
    annotate: float | None = None
    consolidate: float | None = None
    index_bytes: float | None = None
    crop_bytes: float | None = None


class Job(NamedTuple):
    """What is to be extracted.

    Attributes:
        clips: How many.
        seconds: Of a clip.
        fps: Frames a second of the video.
        people: Stored a clip, on average.
        kept: Frames kept of a clip; 0 keeps all.
        channels: Of all taps together.
        joints: Of a person.
    """
    clips: int
    seconds: float
    fps: float = 30.
    people: float = 1.
    kept: int = LENGTH
    channels: int = CHANNELS
    joints: int = JOINTS


class Site(NamedTuple):
    """Where it is extracted.

    Attributes:
        single: Whether one process writes for all machines, as with Ray;
            else each machine writes its own shards.
        network: Bytes a second that reach that process.
        source: Bytes a second of video that all machines together can read.
        storage: Bytes a second that all together can write.
        price: Of a machine and hour.
    """
    single: bool = False
    network: float | None = None
    source: float | None = None
    storage: float | None = None
    price: float | None = None


class Row(NamedTuple):
    """The plan for a number of machines.

    Attributes:
        machines: How many.
        rate: Clips a second.
        hours: From the first clip to annotations.pkl.
        finish: Of these, hours for index and annotations.
        cost: ``machines`` x ``hours`` x price; None without one.
        bottleneck: What bounds it.
    """
    machines: int
    rate: float
    hours: float
    finish: float
    cost: float | None
    bottleneck: str


def video_frames(job: Job) -> float:
    """Frames of a clip that are decoded: ``seconds x fps``.

    Args:
        job: What is extracted.

    Returns:
        Their number.
    """
    return job.seconds * job.fps


def stored_frames(job: Job) -> float:
    """Frames of a clip that are posed and stored: ``min(frames, kept)``.

    Args:
        job: What is extracted.

    Returns:
        Their number.
    """
    return min(video_frames(job), job.kept or math.inf)


def feature_bytes(job: Job) -> float:
    """A clip's arrays: ``T (people V (2 C + 12) + 8)``.

    T frames, V joints, C channels in half precision; x, y and score of a
    joint in single precision; the time of a frame in double precision.

    Args:
        job: What is extracted.

    Returns:
        Bytes.
    """
    joint = HALF * job.channels + JOINT
    return stored_frames(job) * (job.people * job.joints * joint + TIME)


def annotation_bytes(job: Job) -> float:
    """A clip in annotations.pkl: ``T people V 12``, its joints.

    Args:
        job: What is extracted.

    Returns:
        Bytes.
    """
    return stored_frames(job) * job.people * job.joints * JOINT


def sizes(job: Job, rates: Rates, writers: int = 1) -> dict[str, float]:
    """What lies on the disk in the end, and meanwhile.

    The index is there twice: beside each shard, and consolidated. A journal
    is as large as a shard, and a clip more.

    Args:
        job: What is extracted.
        rates: For what is measured a clip or a frame.
        writers: Processes that write.

    Returns:
        Bytes of each part, by its name; without what was not measured.
    """
    found = {
        'features': job.clips * feature_bytes(job),
        'annotations.pkl': job.clips * annotation_bytes(job),
        'index': None if rates.index_bytes is None else
        2 * job.clips * rates.index_bytes,
        'journals, while it runs': writers * (JOURNAL + feature_bytes(job)),
        'person crops': None if rates.crop_bytes is None else
        job.clips * stored_frames(job) * rates.crop_bytes,
        'videos, read once': None if rates.frame_bytes is None else
        job.clips * video_frames(job) * rates.frame_bytes}
    return {name: value for name, value in found.items() if value is not None}


def work_ratio(job: Job, rates: Rates) -> float:
    """Work of the job's frames beside that of the frames measured.

    ``(s + (T people / n - crops) p) / s``: s seconds a frame, of which each
    crop takes p; a clip of n frames has T that are posed. 1 if these parts
    were not measured. It cannot fall below the share of decoding.

    Args:
        job: What is extracted.
        rates: What was measured.

    Returns:
        The ratio.
    """
    whole, crop, crops = rates.frame_seconds, rates.crop_seconds, rates.crops
    if not whole or crop is None or crops is None:
        return 1.
    wanted = stored_frames(job) * job.people / video_frames(job)
    least = (rates.decode_seconds or 0.) / whole
    return max(least, 1 + (wanted - crops) * crop / whole)


def machine_rate(job: Job, rates: Rates) -> float:
    """Clips a second of a machine: ``frames / (n work_ratio)``.

    Args:
        job: What is extracted.
        rates: What was measured.

    Returns:
        The rate.
    """
    return rates.frames / (video_frames(job) * work_ratio(job, rates))


def shares(job: Job, rates: Rates) -> dict[str, float]:
    """Where the time of a worker goes: shares of 1.

    Pose net: ``p T people / n``; decoding: d; the rest: what the seconds of
    a frame have beside both (people, tracking, crops).

    Args:
        job: What is extracted.
        rates: What was measured.

    Returns:
        Shares by name; empty if they were not measured.
    """
    if not rates.frame_seconds or rates.crop_seconds is None or \
            rates.decode_seconds is None:
        return {}
    whole = rates.frame_seconds * work_ratio(job, rates)
    net = rates.crop_seconds * stored_frames(job) * job.people / \
        video_frames(job)
    parts = {'pose net': net, 'decoding': rates.decode_seconds}
    parts['people and the rest'] = max(0., whole - sum(parts.values()))
    total = sum(parts.values())
    return {name: part / total for name, part in parts.items()}


def bounds(job: Job, rates: Rates, site: Site, machines: int
           ) -> dict[str, float]:
    """What bounds the clips a second while clips are extracted.

    The workers: ``machines x machine_rate``. Writing: ``write / bytes of a
    clip``, times the machines if each has its own writer. Network of the
    driver, and storage: ``bytes a second / bytes of a clip``; videos:
    ``source / bytes of a clip's video``.

    Args:
        job: What is extracted.
        rates: What was measured.
        site: Where.
        machines: How many.

    Returns:
        Clips a second by what bounds them.
    """
    size = feature_bytes(job)
    parts = shares(job, rates)
    name = f'workers ({max(parts, key=parts.__getitem__)})' if parts else \
        'workers'
    found = {name: machines * machine_rate(job, rates)}
    if rates.write:
        found[WRITING] = rates.write / size * (1 if site.single else machines)
    if site.single and site.network:
        found[NETWORK] = site.network / size
    if site.storage:
        found[STORAGE] = site.storage / size
    if site.source and rates.frame_bytes:
        found[SOURCE] = site.source / (video_frames(job) * rates.frame_bytes)
    return found


def finish_seconds(job: Job, rates: Rates, site: Site, machines: int
                   ) -> float:
    """Index and annotations, after the last clip.

    ``clips / consolidate + k clips a / annotate``, with a bytes of joints a
    clip. Each process that fills the folder writes annotations.pkl when it
    ends, one after the other: k is the number of machines, if all end at the
    same time, and 1 with a single writer.

    Args:
        job: What is extracted.
        rates: What was measured.
        site: Where.
        machines: How many.

    Returns:
        Seconds; 0 for what was not measured.
    """
    writers = 1 if site.single else machines
    seconds = 0.
    if rates.consolidate:
        seconds += job.clips / rates.consolidate
    if rates.annotate:
        seconds += writers * job.clips * annotation_bytes(job) / rates.annotate
    return seconds


def plan(job: Job, rates: Rates, site: Site, machines: int) -> Row:
    """Hours and cost: ``clips / the least bound + finish``.

    Args:
        job: What is extracted.
        rates: What was measured.
        site: Where.
        machines: How many.

    Returns:
        The row of a table.
    """
    found = bounds(job, rates, site, machines)
    name = min(found, key=found.__getitem__)
    finish = finish_seconds(job, rates, site, machines) / 3600
    hours = job.clips / found[name] / 3600 + finish
    return Row(machines, found[name], hours, finish,
               None if site.price is None else machines * hours * site.price,
               FINISH if finish > hours / 2 else name)


def moves(job: Job, rates: Rates, site: Site) -> dict[str, float]:
    """Machines from which something other than the workers bounds the rate.

    ``bound / machine_rate``, for each bound that does not grow with the
    machines.

    Args:
        job: What is extracted.
        rates: What was measured.
        site: Where.

    Returns:
        Numbers of machines, by what bounds from there on, the least first.
    """
    one, two = (bounds(job, rates, site, n) for n in (1, 2))
    found = {name: value / machine_rate(job, rates)
             for name, value in one.items() if two[name] == value}
    return dict(sorted(found.items(), key=lambda item: item[1]))


def machines_for(job: Job, rates: Rates, site: Site, hours: float
                 ) -> Row | None:
    """The fewest machines that are done in time.

    Args:
        job: What is extracted.
        rates: What was measured.
        site: Where.
        hours: There are so many.

    Returns:
        The plan of these; None if no number of machines is.
    """
    best = math.inf
    for machines in range(1, MOST):
        row = plan(job, rates, site, machines)
        if row.hours <= hours:
            return row
        if row.hours >= best:  # and so on, with each that is added
            break
        best = row.hours
    return None


def unknown(rates: Rates) -> list[str]:
    """What was not measured.

    Args:
        rates: What was.

    Returns:
        Names of the rates.
    """
    return [name for name, value in rates._asdict().items() if value is None]


def read_rates(path: str) -> Rates:
    """Rates from a file.

    Args:
        path: What ``hpnet plan --measure`` saved, or ``hpnet benchmark
            extract --json``, which has the frames a second alone.

    Returns:
        The rates; of a benchmark, those of the most workers.

    Raises:
        RatesError: If the file is none of these.
        OSError: If it cannot be read.
    """
    with open(path, 'rb') as file:
        data = file.read()
    try:
        content = json.loads(data)
        found = content['rates'] if 'rates' in content else _benchmarked(
            content)
        rates = Rates(**found)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError,
            RecursionError):
        raise RatesError(f'{path}: no file of hpnet plan --measure or hpnet '
                         'benchmark extract --json') from None
    for name, value in rates._asdict().items():
        good = value is None and name not in ('workers', 'frames') or (
            isinstance(value, (int, float)) and not isinstance(value, bool)
            and math.isfinite(value) and (value > 0 or value == 0 and name in (
                'crops', 'crop_bytes')))
        if not good:
            raise RatesError(f'{path}: {name} is {value!r}; a number above 0 '
                             'is expected')
    return rates


def _benchmarked(content: dict) -> dict:
    rows = [row for rows in content['tables'].values() for row in rows
            if row.get('what', '').split()[-1:] in (['worker'], ['workers'])]
    best = max(rows, key=lambda row: int(row['what'].split()[0]))
    return dict(workers=int(best['what'].split()[0]),
                frames=best['frames_per_second']['median'])
