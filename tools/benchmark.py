#!/usr/bin/env python3
"""Measure this package beside the plain way of doing the same, in one run.

    python tools/benchmark.py extract VIDEOS --pose NET.onnx --tap TENSOR
    python tools/benchmark.py store
    python tools/benchmark.py tracking

What is printed are ratios, with the smallest and the largest of the repeats,
and the machine and versions that they were measured with. Both sides of a
ratio take turns, so that a machine that gets slower slows down both. Seconds
are those of a wall clock: keep the machine quiet.
"""
import argparse
import contextlib
import json
import multiprocessing
import os
import os.path as osp
import platform
import statistics
import sys
import tempfile
import time

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet
LENGTH = 64  # frames of a released file


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest='command', required=True)
    extract = commands.add_parser(
        'extract', help='extraction beside the released design, plainly '
        'written: frame by frame, batches of 1, two decodes, all maps kept, '
        'float32 files')
    extract.add_argument('source', help='videos, as of tools/extract.py')
    extract.add_argument('--pose', required=True, metavar='FILE.onnx')
    extract.add_argument('--tap', required=True, help='tensor to pool')
    extract.add_argument(
        '--detector', default='hog', help='hog, frame or boxes:FILE')
    extract.add_argument('--clips', type=int, default=6,
                         help='clips a run: the videos again and again, '
                         'under other names (default 6)')
    extract.add_argument('--length', type=int,
                         help='head for so many frames, as tools/extract.py '
                         '--length')
    extract.add_argument('--crops', action='store_true',
                         help='write person-centred clips on both sides')
    extract.add_argument('--workers', type=int, nargs='+', default=[1],
                         help='processes, each on a core of its own; several '
                         'numbers are compared (default 1)')
    _common(extract)
    return parser.parse_args(argv)


def _common(parser):
    parser.add_argument('--repeat', type=int, default=3,
                        help='turns of each side (default 3)')
    parser.add_argument('--json', metavar='FILE', help='write all numbers')


def machine() -> dict:
    """What the numbers were measured on."""
    from hpnet_plugin.extraction.dataset import versions
    model = platform.processor()
    with contextlib.suppress(OSError), open('/proc/cpuinfo') as file:
        model = next((line.split(':')[1].strip() for line in file
                      if line.startswith('model name')), model)
    return dict(cpu=model, cores=len(os.sched_getaffinity(0)),
                load=round(os.getloadavg()[0], 2),
                python=platform.python_version(), versions=versions())


class PlainExtraction:
    """The released design, written plainly with the same libraries.

    For each video: a first pass decodes it and finds a box in each frame
    (and writes the crops, if asked for); a second decodes it again, and for
    each frame and person cuts a crop, normalises it, runs the net on it
    alone, copies all maps, and keeps the one to pool. At the end joints are
    read, the maps sampled there, the clip resampled to 64 frames, and a
    float32 file of two people written.
    """

    def __init__(self, pose, tap, detector):
        import numpy as np
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        import onnx
        graph = onnx.load(pose)
        known = {value.name for value in graph.graph.output}
        self.heatmaps = graph.graph.output[0].name
        if tap not in known:
            graph.graph.output.append(onnx.ValueInfoProto(name=tap))
        self.session = onnxruntime.InferenceSession(
            graph.SerializeToString(), options,
            providers=['CPUExecutionProvider'])
        first = self.session.get_inputs()[0]
        self.input, self.size = first.name, first.shape[:1:-1]
        self.tap, self.detector = tap, detector
        self.mean, self.std = (np.array(x, np.float32) for x in (MEAN, STD))

    def __call__(self, clip, out, crops=False):
        """Extract one video; the number of its frames."""
        import numpy as np
        import torch
        boxes = []
        for number, frame in enumerate(self._decode(clip.path)):
            found = self.detector.people([frame], clip.name, [number])
            boxes.append(found[0].boxes[:2])
            if crops:
                self._write_crop(frame, boxes[-1], out, clip.name, number)
        joints, maps = [], []
        for frame, people in zip(self._decode(clip.path), boxes):
            at, tapped = zip(*[self._pose(frame, box) for box in people]) \
                if len(people) else ([], [])
            joints.append(at)
            maps.append(tapped)
        channels = next(m.shape[1] for some in maps for m in some)
        pooled = np.zeros((len(boxes), 2, 17, channels), np.float32)
        for t, (at, tapped) in enumerate(zip(joints, maps)):
            for m in range(2 * bool(len(at))):
                m_or_first = min(m, len(at) - 1)
                grid = at[m_or_first] / np.array(self.size) * 2 - 1
                pooled[t, m] = torch.nn.functional.grid_sample(
                    torch.from_numpy(tapped[m_or_first]),
                    torch.from_numpy(grid.astype(np.float32))[None, None],
                    align_corners=True)[0, :, 0].T.numpy()
        flat = torch.from_numpy(pooled.reshape(len(boxes), -1).T.copy())
        short = torch.nn.functional.interpolate(
            flat[None], LENGTH, mode='linear')[0].T.reshape(
                LENGTH, 2, 17, channels)
        np.save(osp.join(out, clip.name + '.npy'), short.numpy())
        return len(boxes)

    def _decode(self, path):
        import av
        with av.open(path) as container:
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format='rgb24')

    def _pose(self, frame, box):
        import cv2
        import numpy as np
        x1, y1, x2, y2 = box[:4]
        width, height = x2 - x1, y2 - y1
        ratio = self.size[0] / self.size[1]
        width = max(width, ratio * height) * 1.25
        zoom = self.size[0] / width
        matrix = np.array(
            [[zoom, 0, self.size[0] / 2 - zoom * (x1 + x2) / 2],
             [0, zoom, self.size[1] / 2 - zoom * (y1 + y2) / 2]])
        crop = cv2.warpAffine(frame, matrix, tuple(self.size))
        crop = ((crop / 255 - self.mean) / self.std).astype(np.float32)
        outputs = self.session.run(
            None, {self.input: crop.transpose(2, 0, 1)[None]})
        named = dict(zip((o.name for o in self.session.get_outputs()),
                         [output.copy() for output in outputs]))
        heatmaps = named[self.heatmaps][0]
        best = heatmaps.reshape(len(heatmaps), -1).argmax(1)
        at = np.stack((best % heatmaps.shape[2], best // heatmaps.shape[2]),
                      1) * self.size[0] / heatmaps.shape[2]
        return at, named[self.tap]

    def _write_crop(self, frame, boxes, out, name, number):
        import cv2
        import numpy as np
        if not len(boxes):
            return
        x1, y1 = np.maximum(boxes[:, :2].min(0), 0).astype(int)
        x2, y2 = boxes[:, 2:4].max(0).astype(int)
        folder = osp.join(out, 'crops', name)
        os.makedirs(folder, exist_ok=True)
        cv2.imwrite(
            osp.join(folder, f'{number}.jpg'),
            cv2.resize(frame[y1:y2, x1:x2, ::-1], (224, 224)))


def bench_extract(args):
    """Rows of the extraction's benchmark."""
    from hpnet_plugin.datasets import sources
    found = sources.find_clips(args.source)
    with tempfile.TemporaryDirectory() as folder:
        clips, number = [], 0
        while len(clips) < args.clips:  # the same videos under other names
            clip = found[number % len(found)]
            name = f'{number:03d}_{clip.name}'
            path = osp.join(folder, name + osp.splitext(clip.path)[1])
            os.symlink(osp.abspath(clip.path), path)
            clips.append((clip.name, clip._replace(name=name, path=path)))
            number += 1
        runs = {'plain': lambda out: _run_plain(args, clips, out)}
        for workers in args.workers:
            runs[f'{workers} worker' + 's' * (workers > 1)] = (
                lambda out, n=workers: _run_package(args, clips, out, n))
        times = take_turns(runs, args.repeat)
    frames = times.pop('frames')
    rows = [dict(what=name, frames_per_second=rate(frames, seconds),
                 faster_than_plain=ratio(times['plain'], seconds))
            for name, seconds in times.items()]
    more = [name for name in times if name != 'plain'][1:]
    for row in rows:
        if row['what'] in more:
            row['faster_than_one'] = ratio(
                times[[n for n in times if n != 'plain'][0]],
                times[row['what']])
    return rows


def take_turns(runs, repeat):
    """Seconds of each of the runs, by name, in turns; and their frames."""
    times, most = {name: [] for name in runs}, 0
    for turn in range(repeat):
        for name, run in runs.items():
            with tempfile.TemporaryDirectory() as out:
                seconds, frames = apart(run, out)
            times[name].append(seconds)
            print(f'  turn {turn + 1}, {name}: {seconds:.2f} s',
                  file=sys.stderr, flush=True)
            most = max(most, frames)
    return dict(times, frames=most)


def apart(function, *args):
    """Call a function in a process of its own; what it returns."""
    context = multiprocessing.get_context('fork')
    ours, theirs = context.Pipe()
    process = context.Process(
        target=lambda: theirs.send(function(*args)))
    process.start()
    theirs.close()
    try:
        found = ours.recv()
    except EOFError:
        raise SystemExit('benchmark: a run failed, see above') from None
    process.join()
    return found


def ratio(base, other):
    """Median, smallest and largest of the ratios of the turns."""
    ratios = [a / b for a, b in zip(base, other)]
    return dict(median=round(statistics.median(ratios), 2),
                low=round(min(ratios), 2), high=round(max(ratios), 2))


def rate(count, seconds):
    return round(count / statistics.median(seconds), 1)


def _pin(cores):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def _threads():
    import cv2
    import torch
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def _run_plain(args, clips, out):
    from hpnet_plugin.estimation.detectors import build_detector
    _pin(1)
    _threads()
    detector = build_detector(args.detector)
    plain = PlainExtraction(args.pose, args.tap, detector)
    begin = time.perf_counter()
    frames = 0
    for name, clip in clips:
        # boxes are known by the video's own name
        detector.people = _renamed(type(detector).people, detector, name)
        frames += plain(clip, out, args.crops)
    return time.perf_counter() - begin, frames


def _renamed(people, source, name):
    return lambda frames, clip, numbers: people(source, frames, name, numbers)


def _run_package(args, clips, out, workers):
    from hpnet_plugin.estimation.detectors import build_detector
    from hpnet_plugin.estimation.extractor import build_extractor
    from hpnet_plugin.extraction.clips import Settings
    from hpnet_plugin.extraction.run import Extraction
    _pin(workers)
    names = {clip.name: name for name, clip in clips}

    def build(device):
        source = build_detector(args.detector)
        people = source.people
        source.people = lambda frames, clip, numbers: people(
            frames, names[clip], numbers)
        return source, build_extractor(args.pose, None, [args.tap], device)

    settings = Settings(
        length=args.length, max_frames=None,
        crops=dict(size=224, margin=1., fit='stretch') if args.crops else None)
    begin = []
    failures = Extraction(build, settings, workers=workers)(
        [clip for _, clip in clips], out, progress=False,
        on_start=lambda estimate: begin.append(time.perf_counter()))
    if failures:
        raise SystemExit(f'benchmark: {failures}')
    return time.perf_counter() - begin[0], 0


def show(rows, args):
    """Print rows as a table, and write them if that is asked for."""
    from hpnet_plugin.evaluation.tables import format_table
    about = machine()
    keys = list(dict.fromkeys(key for row in rows for key in row))
    table = [[key.replace('_', ' ') for key in keys]]
    for row in rows:
        table.append([_cell(row.get(key, '')) for key in keys])
    print(format_table(table))
    print(f'\n{about["cpu"]}, {about["cores"]} cores, load '
          f'{about["load"]}, Python {about["python"]}, '
          + ', '.join(f'{k} {v}' for k, v in about['versions'].items()))
    print('command: ' + ' '.join(['python', *sys.argv]))
    if args.json:
        from hpnet_plugin.files import write_whole
        content = dict(command=sys.argv, machine=about, rows=rows)
        write_whole(args.json, (json.dumps(content, indent=1) + '\n').encode())


def _cell(value):
    if isinstance(value, dict):
        return f'{value["median"]} [{value["low"]}, {value["high"]}]'
    return str(value)


def main(argv=None):
    args = parse_args(argv)
    import hpnet_plugin  # noqa: F401  fills the gaps of the stock packages
    show({'extract': bench_extract}[args.command](args), args)
    return 0


if __name__ == '__main__':
    sys.exit(main())
