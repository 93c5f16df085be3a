"""Pose nets: crops in, joints, scores and tapped feature maps out.

Two kinds are served, any top-down net of mmpose and any ONNX file, behind
one interface, so that the rest of the package need not know which it has.

What a crop's result depends on. The same crops give the same bits, for 1 and
2 threads and at any place of a batch. On a CPU the batch's size does not
matter to onnxruntime either, and to PyTorch only where a crop is alone: its
kernels for one image round otherwise (2e-6 of simple nets' maps).
"""
import os
import os.path as osp
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ..config_text import read_config
from ..files import sha256_of
from ..weights import compare, unreadable
from .decoding import batched_decoder, decode_heatmaps, decode_simcc, on_host
from .devices import PRECISIONS, computing, device_of
from .sessions import OnnxSession, load_onnx
from .taps import ModuleTaps, TapError, maps_of_modules, unknown_tap

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)
NORMS = ('eval', 'crop')
BACKENDS = ('torch', 'onnxruntime')


class PoseOutput(NamedTuple):
    """What a pose net says of N crops.

    Attributes:
        joints (np.ndarray | Tensor): (N, V, 2), x and y in pixels of the
            crop, float32.
        scores (np.ndarray | Tensor): (N, V), as the net gives them, float32.
        maps (dict[str, Tensor]): Tap to feature maps (N, C, h, w).
        answers (tuple[Tensor]): What the joints were read from: heatmaps
            (N, V, h, w), or SimCC's (N, V, W') and (N, V, H').
    """
    joints: np.ndarray
    scores: np.ndarray
    maps: dict
    answers: tuple


def build_pose_net(pose, checkpoint=None, taps=(), device='cpu', norm='eval',
                   backend='torch', precision='fp32', threads=1):
    """Build the pose net that a config or an ONNX file describes.

    Args:
        pose (str | Path): An mmpose config of a top-down net, or a ``.onnx``
            file. An ONNX net takes RGB crops normalised with ImageNet's mean
            and standard deviation and gives either heatmaps (N, V, h, w) or
            two SimCC arrays (N, V, W'), (N, V, H').
        checkpoint (str, optional): Weights of the mmpose net, a file or an
            address; by default the config's ``load_from``.
        taps (Sequence[str]): Maps to give out: module paths of the mmpose
            net (``backbone.stage4.0.branches.1``) or tensor names of the
            ONNX graph; :func:`list_taps` lists them.
        device (str): Where the net runs. Defaults to ``'cpu'``.
        norm (str): ``'eval'``, or ``'crop'``: batch norm with the statistics
            of each single crop, as the released extraction ran it.
        backend (str): What runs an mmpose net: ``'torch'``, or
            ``'onnxruntime'``, to which the net is exported once, and kept in
            the user's cache; maps equal those of torch to 1e-4. An ONNX file
            always runs in onnxruntime. Defaults to ``'torch'``.
        precision (str): ``'fp32'``; on a GPU also ``'tf32'``, convolutions
            of rounded factors; ``'fp16'`` and ``'bf16'``, autocast of an
            mmpose net in torch. Defaults to ``'fp32'``.
        threads (int): Threads on a CPU. Defaults to 1: work is spread over
            processes, one a core.

    Returns:
        PoseNet: The net.

    Raises:
        TapError: If a tap is not there; the message has the closest names.
        FileNotFoundError: If ``pose`` or ``checkpoint`` is not there.
        ValueError: If the net is of another kind, the checkpoint of another
            net, the device not here, or an option unknown or not possible
            with this net.
    """
    for name, value, known in (('norm', norm, NORMS),
                               ('backend', backend, BACKENDS),
                               ('precision', precision, PRECISIONS)):
        if value not in known:
            raise ValueError(f'{name} must be one of {known}, got {value!r}')
    if not isinstance(threads, int) or threads < 1:
        raise ValueError(f'threads must be 1 or more, got {threads!r}')
    device = device_of(device)
    if precision in ('fp16', 'bf16') and (
            backend == 'onnxruntime' or _is_onnx(pose)):
        raise ValueError(
            f'precision={precision!r} is for an mmpose net in torch; '
            'onnxruntime runs a net as its file has it: leave it out, or '
            'convert the ONNX file to half precision')
    _check_file(pose)
    if _is_onnx(pose):
        if checkpoint:
            raise ValueError(f'{pose} holds its own weights: leave the '
                             f'checkpoint {checkpoint} out')
        if norm != 'eval':
            raise ValueError("norm='crop' needs an mmpose net: the batch norm "
                             f'of {pose} is part of its graph')
        return OnnxPoseNet(pose, taps, device, precision, threads)
    kind = MMPoseNet if backend == 'torch' else ExportedPoseNet
    return kind(pose, checkpoint, taps, device, norm, precision, threads)


def list_taps(pose, checkpoint=None):
    """Every feature map that a pose net can give out.

    Args:
        pose (str | Path): mmpose config or ONNX file.
        checkpoint (str, optional): Not needed: the weights change no shape.
            If given, it must be of this net.

    Returns:
        dict[str, tuple[int]]: Name to (C, h, w), in the order of the net;
        each can be a tap of :func:`build_pose_net`.

    Raises:
        FileNotFoundError: If ``pose`` or ``checkpoint`` is not there.
        ValueError: If the net is of another kind, or the checkpoint of
            another net.
    """
    _check_file(pose)
    if not _is_onnx(pose):
        model, _ = _build_model(pose)
        if checkpoint:
            load_weights(model, checkpoint)
        width, height = model.head.decoder.input_size
        images = torch.zeros(1, 3, int(height), int(width))
        with computing(torch.device('cpu')):
            return maps_of_modules(
                model.eval(), lambda: model.head(model.extract_feat(images)))
    graph, _ = load_onnx(pose)
    with _reading(pose):
        free_batch(graph)
        _mend_norms(graph)
        names = _tensor_names(graph)
        shapes = _shapes_of_tensors(graph, names, pose)
    return {name: shapes[name][1:] for name in names
            if len(shapes.get(name, ())) == 4 and shapes[name][0] == 1}


def _shapes_of_tensors(graph, names, pose):
    """Shapes, for one crop, of the tensors of floats that can be had.

    A tensor that is given out is not fused with its neighbours, and then
    some graphs do not run: halves that fail are tried by halves.
    """
    import onnx
    copy = onnx.ModelProto()
    copy.CopyFrom(graph)
    _expose(copy, names)
    try:
        session = OnnxSession(copy.SerializeToString(), torch.device('cpu'),
                              pose)
        width, height = session.size
        found = session.session.run(names, {session.input: np.zeros(
            (1, 3, height, width), session.element)})
    except Exception:
        if len(names) == 1:
            return {}
        half = len(names) // 2
        return {**_shapes_of_tensors(graph, names[:half], pose),
                **_shapes_of_tensors(graph, names[half:], pose)}
    return {name: value.shape for name, value in zip(names, found)
            if isinstance(value, np.ndarray) and value.dtype.kind == 'f'}


def _is_onnx(pose):
    return str(pose).endswith('.onnx')


def _check_file(pose):
    if not osp.isfile(pose):
        raise FileNotFoundError(
            f'{pose}: no such pose net; give an mmpose config (.py) or an '
            'ONNX file (.onnx)')
    if not str(pose).endswith(('.py', '.onnx')):
        raise ValueError(f'{pose} is no pose net: give an mmpose config (.py) '
                         'or an ONNX file (.onnx)')


class PoseNet:
    """What all kinds share.

    Attributes:
        size (tuple[int]): Width and height of the crops it takes.
        udp (bool): Whether crops follow mmpose's unbiased data processing.
        layout (str): Name of the joints' layout, ``'coco'`` for COCO's 17.
        taps (dict[str, int]): Tap to number of channels.
        num_joints (int): V.
        device (torch.device): Where it runs.
        precision (str): See :func:`build_pose_net`.
        threads (int): See :func:`build_pose_net`.
        record (dict): What made the maps, for the store.
    """

    udp = False
    device = torch.device('cpu')
    precision = 'fp32'
    threads = 1

    def run(self, images):
        """Run the net, all on its device and without waiting for it.

        Call it under :meth:`computing`.

        Args:
            images (Tensor): RGB crops, (N, height, width, 3) uint8, on the
                net's device.

        Returns:
            PoseOutput: Joints, scores and maps, tensors on the device.
        """
        raise NotImplementedError

    def __call__(self, crops):
        """Run the net.

        Args:
            crops (np.ndarray): RGB crops, (N, height, width, 3) uint8.

        Returns:
            PoseOutput: Joints and scores as arrays; maps stay on the device.
        """
        with self.computing():
            output = self.run(self.upload(crops))
        return output._replace(joints=output.joints.cpu().numpy(),
                               scores=output.scores.cpu().numpy())

    def computing(self):
        """Context in which the net and what follows it compute."""
        return computing(self.device, self.threads, self.precision)

    def upload(self, array):
        """An array as a tensor on the net's device, copied meanwhile."""
        value = torch.from_numpy(np.ascontiguousarray(array))
        if self.device.type == 'cpu':
            return value
        # only from pinned memory does the copy go on behind the caller's back
        return value.pin_memory().to(self.device, non_blocking=True)

    def _probe(self):
        """Run one grey crop, to learn V and the channels of the taps."""
        output = self(_grey(self.size))
        self.num_joints = output.joints.shape[1]
        for tap, value in output.maps.items():
            if value.ndim != 4:
                raise TapError(f'tap {tap!r} gives {tuple(value.shape)}; a '
                               'feature map (N, C, h, w) is needed: hpnet '
                               'taps lists them')
        self.taps = {tap: value.shape[1]
                     for tap, value in output.maps.items()}


def _grey(size):
    return np.full((1, size[1], size[0], 3), 114, np.uint8)


def _planes(images, to_rgb=True):
    """(N, h, w, 3) uint8 to (N, 3, h, w) float32.

    Colours are put apart before they become floats: that moves a quarter of
    the bytes, and what follows runs over whole planes.
    """
    if not to_rgb:  # the net wants what OpenCV reads, BGR
        images = images.flip(-1)
    return images.permute(0, 3, 1, 2).contiguous().float()


def _as_tensors(decoded):
    return tuple(torch.from_numpy(value) if isinstance(value, np.ndarray)
                 else value for value in decoded)


class MMPoseNet(PoseNet):
    """A top-down pose net of mmpose; see :func:`build_pose_net`."""

    backend = 'torch'

    def __init__(self, config, checkpoint, taps, device, norm,
                 precision='fp32', threads=1):
        model, settings = _build_model(config)
        checkpoint = checkpoint or settings.get('load_from')
        if not checkpoint:
            raise ValueError(f'{config} names no weights (load_from): '
                             'give a checkpoint')
        sha256 = load_weights(model, checkpoint)
        if norm == 'crop':
            use_crop_statistics(model)
        self.device, self.precision, self.threads = device, precision, threads
        # crops are channels last as they come, and nets run faster so
        self.model = model.to(device, memory_format=torch.channels_last).eval()
        self.kept = ModuleTaps(self.model, taps, config)

        self.size = tuple(int(n) for n in model.head.decoder.input_size)
        self.udp = any(
            step['type'] == 'TopdownAffine' and step.get('use_udp', False)
            for step in _test_pipeline(settings))
        self.layout = (model.dataset_meta or {}).get('dataset_name', 'coco')
        stats = settings.model.get('data_preprocessor', {})
        self.to_rgb = stats.get('bgr_to_rgb', False)
        self.mean, self.std = (
            torch.tensor(stats.get(key, default)).float().expand(3).to(device)
            for key, default in (('mean', (0., )), ('std', (1., ))))
        self.decoder = batched_decoder(model.head, self.size)
        self.record = dict(
            config=osp.basename(str(config)),
            checkpoint=osp.basename(str(checkpoint)),
            sha256=sha256,
            norm=norm,
            size=list(self.size))
        if precision != 'fp32':
            self.record['precision'] = precision
        self._prepare(tuple(taps), settings)
        self._probe()

    def _prepare(self, taps, settings):
        """What the backend needs beside the model."""
        # a row of pixels at a time: colours alternate along it
        self.row = [value.repeat(self.size[0])
                    for value in (self.mean, self.std)]

    def run(self, images):
        """See :meth:`PoseNet.run`."""
        answers, maps = self.forward(images)
        answers = tuple(answer.float() for answer in answers)
        if self.decoder is not None:
            joints, scores = _as_tensors(self.decoder(*answers))
        else:
            joints, scores = self._decode_each(answers)
        return PoseOutput(joints.to(self.device), scores.to(self.device),
                          maps, answers)

    def forward(self, images):
        """Answers and maps of crops (N, h, w, 3) uint8 on the device."""
        n, h, w, _ = images.shape
        if not self.to_rgb:  # the net wants what OpenCV reads, BGR
            images = images.flip(-1)
        mean, std = self.row
        inputs = images.reshape(n, h, w * 3).float().sub_(mean).div_(std)
        inputs = inputs.view(n, h, w, 3).permute(0, 3, 1, 2)
        outputs = self.model.head(self.model.extract_feat(inputs))
        return (outputs if isinstance(outputs, tuple) else (outputs, ),
                self.kept.take())

    def _decode_each(self, answers):
        """Joints and scores by mmpose itself, crop by crop, on the host."""
        decoded = self.model.head.decode(
            answers if len(answers) > 1 else answers[0])
        joints = np.stack([_numpy(p.keypoints)[0] for p in decoded])
        scores = np.stack([_numpy(p.keypoint_scores)[0] for p in decoded])
        return _as_tensors((joints[..., :2].astype(np.float32),
                            scores.astype(np.float32)))


class ExportedPoseNet(MMPoseNet):
    """A pose net of mmpose in onnxruntime; see :func:`build_pose_net`."""

    backend = 'onnxruntime'

    def _prepare(self, taps, settings):
        from .export import export_pose_net

        graph, self.names = export_pose_net(
            self.model, self.kept, self.size,
            key=dict(model=settings.model.to_dict(), taps=taps,
                     sha256=self.record['sha256'], norm=self.record['norm']))
        self.session = OnnxSession(
            graph, self.device, self.record['config'], self.threads,
            self.precision == 'tf32')
        self.record['backend'] = self.backend
        self.mean, self.std = (value.view(3, 1, 1)
                               for value in (self.mean, self.std))
        # its weights are in the session; the head still decodes
        self.model.backbone = None

    def forward(self, images):
        """See :meth:`MMPoseNet.forward`."""
        inputs = _planes(images, self.to_rgb).sub_(self.mean).div_(self.std)
        outputs = self.session(self.names, inputs)
        taps = self.kept.names
        values = [outputs[name] for name in self.names]
        return (tuple(values[:len(values) - len(taps)]),
                dict(zip(taps, values[len(values) - len(taps):])))


def _numpy(value):
    return value.cpu().numpy() if isinstance(value, torch.Tensor) else value


def _test_pipeline(config):
    for key in ('test_dataloader', 'val_dataloader'):
        if key in config:
            return config[key].dataset.get('pipeline', [])
    return []


def _build_model(config):
    """The top-down net of an mmpose config, without weights, and the config.

    Raises:
        ValueError: If the config is of another kind.
    """
    # mmpose and what it imports cost seconds: only who needs them pays
    from mmengine import DefaultScope
    from mmpose.apis import init_model
    from mmpose.models import TopdownPoseEstimator

    wanted = 'only top-down nets of mmpose (TopdownPoseEstimator) give maps ' \
        'of a person'
    settings = read_config(config, imports=True)
    kind = (settings.get('model') or {}).get('type', 'no model at all')
    kind = kind if isinstance(kind, str) else kind.__name__
    if kind.rpartition('.')[2] != TopdownPoseEstimator.__name__:
        raise ValueError(f'{config} describes {kind}; {wanted}')
    # mmpose would make its scope the default of the whole process
    settings.default_scope = None
    try:
        with DefaultScope.overwrite_default_scope('mmpose'):
            model = init_model(settings, device='cpu')
    except Exception as error:
        raise ValueError(f'{config} describes no net that mmpose can build: '
                         f'{type(error).__name__}: {error}') from None
    if not isinstance(model, TopdownPoseEstimator) or not hasattr(
            getattr(model.head, 'decoder', None), 'input_size'):
        raise ValueError(
            f'{config} describes a {type(model).__name__} with the head '
            f'{type(model.head).__name__}; {wanted}, with a head that has '
            'a decoder')
    return model, settings


def load_weights(model, checkpoint):
    """Load a checkpoint completely or not at all.

    Args:
        model (nn.Module): The net.
        checkpoint (str): File or address.

    Returns:
        str: sha256 of the file.

    Raises:
        FileNotFoundError: If the file is not there.
        ValueError: If it is no checkpoint; or keys are missing or shapes
            differ, with the names.
    """
    checkpoint = local_file(checkpoint)
    state = _state_of(checkpoint)
    wanted = model.state_dict()
    used = {key: value for key, value in state.items() if key in wanted}
    differences = compare(used, wanted)
    if differences:
        raise ValueError(f'{checkpoint} is the checkpoint of another net: '
                         f'{differences}')
    try:
        model.load_state_dict(used, strict=False)
    except Exception as error:
        raise ValueError(f'{checkpoint}: its weights cannot be copied into '
                         f'the net: {error}') from None
    return sha256_of(checkpoint)


def check_weights(checkpoint: str) -> None:
    """Raise an error if a file holds no weights.

    Args:
        checkpoint (str): The file.

    Raises:
        ValueError: If it does not; the text says what it holds.
    """
    _state_of(checkpoint)


def _state_of(checkpoint):
    """The weights in a file, by name."""
    advice = 'give a file that torch.save wrote of weights (.pth), of this ' \
        'net; an ONNX file goes in the place of the config'
    try:
        loaded = torch.load(checkpoint, 'cpu', weights_only=True)
    except Exception as error:
        raise ValueError(f'{unreadable(checkpoint, error)}; {advice}'
                         ) from None
    state = loaded.get('state_dict', loaded) if isinstance(
        loaded, dict) else loaded
    if not isinstance(state, dict) or not any(
            isinstance(value, torch.Tensor) for value in state.values()):
        raise ValueError(f'{checkpoint} is no checkpoint: it holds a '
                         f'{type(state).__name__} without weights; {advice}')
    return state


def local_file(checkpoint):
    """Path of a checkpoint, downloaded first if it is an address.

    mmengine's loader of addresses would run code that such a file may hold:
    a file that lies here is read with ``weights_only``.

    Args:
        checkpoint (str): File or address.

    Returns:
        str: The file; what was downloaded stays in torch's cache.

    Raises:
        FileNotFoundError: If the file is not there.
    """
    checkpoint = str(checkpoint)
    if '://' in checkpoint:
        folder = osp.join(torch.hub.get_dir(), 'checkpoints')
        path = osp.join(folder, osp.basename(checkpoint))
        if not osp.isfile(path):
            os.makedirs(folder, exist_ok=True)
            try:
                torch.hub.download_url_to_file(checkpoint, path)
            except OSError as error:
                raise ValueError(
                    f'{checkpoint} cannot be downloaded '
                    f'({getattr(error, "reason", error)}): get it elsewhere '
                    f'and put it at {path}, or give the file as the '
                    'checkpoint') from None
        return path
    if not osp.isfile(checkpoint):
        raise FileNotFoundError(f'{checkpoint}: no such checkpoint')
    return checkpoint


def use_crop_statistics(model):
    """Let each batch norm use the statistics of the single crop.

    The released extraction leaves its pose net in train mode and feeds crops
    one by one; that is instance norm with the batch norm's own affine.
    """

    def forward(norm, x):
        return F.instance_norm(
            x, weight=norm.weight, bias=norm.bias, eps=norm.eps)

    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.forward = forward.__get__(module)


def tapped_graph(path, taps):
    """The graph of an ONNX pose net that gives its taps out as well.

    Args:
        path (str | Path): The file.
        taps (Sequence[str]): Names of tensors.

    Returns:
        tuple: The ``onnx.ModelProto``, whose batch is free; the names of the
        net's own outputs; the sha256 of the file.

    Raises:
        TapError: If a tap is not there.
        ValueError: If it is no ONNX file, or a damaged one.
    """
    graph, sha256 = load_onnx(path)
    with _reading(path):
        free_batch(graph)
        _mend_norms(graph)
        answers = [value.name for value in graph.graph.output]
        names = _tensor_names(graph)
        for tap in taps:
            if tap not in names:
                raise unknown_tap(tap, names, 'tensor', path)
        _expose(graph, taps)
    return graph, answers, sha256


class OnnxPoseNet(PoseNet):
    """A pose net in an ONNX file; see :func:`build_pose_net`."""

    layout = 'coco'

    def __init__(self, path, taps, device, precision='fp32', threads=1):
        graph, self.answers, sha256 = tapped_graph(path, taps)
        with _reading(path):
            serialised = graph.SerializeToString()
        if len(self.answers) not in (1, 2):
            raise ValueError(
                f'{path} has the outputs {self.answers}; one (heatmaps) or '
                'two (SimCC x and y) are understood')
        self.path = str(path)
        self.device, self.precision, self.threads = device, precision, threads
        self.session = OnnxSession(serialised, device, path, threads,
                                   precision == 'tf32')
        self.size = self.session.size
        self.names = list(dict.fromkeys([*self.answers, *taps]))
        self.taps = dict.fromkeys(taps)
        # x / 255 - mean over std, folded into one scale and shift
        scale = 1 / np.array(IMAGENET_STD, np.float32)
        shift = -np.array(IMAGENET_MEAN, np.float32) * scale
        self.scale, self.shift = (
            torch.from_numpy(value).view(3, 1, 1).to(device)
            for value in (scale, shift))
        self._probe()
        self._check_batches(path)
        self.record = dict(
            onnx=osp.basename(str(path)),
            sha256=sha256,
            norm='eval',
            size=list(self.size))
        if precision != 'fp32':
            self.record['precision'] = precision

    def run(self, images):
        """See :meth:`PoseNet.run`."""
        outputs = self.session(self.names, self.normalize(images))
        answers = tuple(outputs[name] for name in self.answers)
        if len(answers) == 1 and answers[0].ndim == 4:
            decode = decode_heatmaps
        elif len(answers) == 2 and all(a.ndim == 3 for a in answers):
            decode = decode_simcc
        else:
            raise ValueError(
                'the net gives neither heatmaps (N, V, h, w) nor SimCC '
                '(N, V, W), (N, V, H), but '
                f'{[tuple(a.shape) for a in answers]}')
        joints, scores = _as_tensors(
            decode(*map(on_host, answers), self.size))
        return PoseOutput(joints, scores,
                          {tap: outputs[tap] for tap in self.taps}, answers)

    def normalize(self, images):
        """The net's input (N, 3, h, w) of crops (N, h, w, 3) uint8."""
        return _planes(images).mul_(self.scale).add_(self.shift).to(
            self.session.dtype)

    def _check_batches(self, path):
        """A freed batch is only worth it if the graph keeps crops apart."""
        crops = np.random.RandomState(0).randint(
            0, 256, (2, self.size[1], self.size[0], 3)).astype(np.uint8)
        both, second = self(crops), self(crops[1:])
        pairs = [(torch.from_numpy(both.scores[1:]),
                  torch.from_numpy(second.scores))]
        pairs += [(both.maps[tap][1:], second.maps[tap]) for tap in self.taps]
        for a, b in pairs:
            if not torch.allclose(a, b, rtol=1e-3, atol=1e-4):
                raise ValueError(f'{path} mixes the crops of a batch: export '
                                 'it with a dynamic batch dimension')


@contextmanager
def _reading(path):
    """What a damaged graph brings onnx to raise is the file's fault."""
    try:
        yield
    except ValueError as error:
        if isinstance(error, TapError) or str(path) in str(error):
            raise
        raise ValueError(f'{path} is a damaged ONNX file: {error}') from None
    except Exception as error:
        raise ValueError(f'{path} is a damaged ONNX file: '
                         f'{type(error).__name__}: {error}') from None


def _tensor_names(graph):
    """Names of what the nodes of an ONNX model put out, in their order."""
    return list(dict.fromkeys(name for node in graph.graph.node
                              for name in node.output if name))


def _expose(graph, names):
    """Make tensors outputs of an ONNX model, in place; the names."""
    import onnx
    given = {value.name for value in graph.graph.output}
    for name in names:
        if name not in given:
            graph.graph.output.append(onnx.ValueInfoProto(name=name))
    return list(names)


def _mend_norms(graph):
    """Let the batch norms of an ONNX model run alone, in place.

    MXNet's exporter marks them as not spatial, which asks for a scale for
    each pixel, and writes a scale for each channel. onnxruntime runs those
    only where it can melt them into the convolution before them, so that
    no map between the two could be given out.
    """
    rank = {w.name: len(w.dims) for w in graph.graph.initializer}
    for node in graph.graph.node:
        if node.op_type == 'BatchNormalization' and len(
                node.input) > 1 and rank.get(node.input[1]) == 1:
            for attribute in list(node.attribute):
                if attribute.name == 'spatial':
                    node.attribute.remove(attribute)


def free_batch(graph):
    """Make the batch of an ONNX model dynamic, in place.

    Many exported files fix it to 1, in their inputs and outputs and in the
    target shapes of Reshape nodes.

    Args:
        graph (onnx.ModelProto): The model.
    """
    from onnx import numpy_helper
    weights = {w.name for w in graph.graph.initializer}
    for value in [*graph.graph.input, *graph.graph.output]:
        shape = value.type.tensor_type.shape
        if value.name not in weights and shape.dim:
            shape.dim[0].dim_param = 'batch'
    del graph.graph.value_info[:]
    shapes = {node.input[1] for node in graph.graph.node
              if node.op_type == 'Reshape'}
    tensors = [w for w in graph.graph.initializer if w.name in shapes]
    tensors += [a.t for node in graph.graph.node
                if node.op_type == 'Constant' and node.output[0] in shapes
                for a in node.attribute if a.name == 'value']
    for tensor in tensors:
        shape = numpy_helper.to_array(tensor).copy()
        if shape.ndim == 1 and len(shape) and shape[0] == 1:
            shape[0] = 0  # Reshape reads 0 as: keep this dimension
            tensor.CopyFrom(numpy_helper.from_array(shape, tensor.name))
