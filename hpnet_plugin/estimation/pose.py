"""Pose nets: crops in, joints, scores and tapped feature maps out.

Two kinds are served, any top-down net of mmpose and any ONNX file, behind
one interface, so that the rest of the package need not know which it has.
"""
import os
import os.path as osp
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ..files import sha256_of
from .decoding import decode_heatmaps, decode_simcc
from .taps import ModuleTaps, TapError, unknown_tap

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)
NORMS = ('eval', 'crop')


class PoseOutput(NamedTuple):
    """What a pose net says of N crops.

    Attributes:
        joints (np.ndarray): (N, V, 2), x and y in pixels of the crop.
        scores (np.ndarray): (N, V), as the net gives them.
        maps (dict[str, Tensor]): Tap to feature maps (N, C, h, w).
        answers (tuple[Tensor]): What the joints were read from: heatmaps
            (N, V, h, w), or SimCC's (N, V, W') and (N, V, H').
    """
    joints: np.ndarray
    scores: np.ndarray
    maps: dict
    answers: tuple


def build_pose_net(pose, checkpoint=None, taps=(), device='cpu', norm='eval'):
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
            ONNX graph.
        device (str): Where the net runs. Defaults to ``'cpu'``.
        norm (str): ``'eval'``, or ``'crop'``: batch norm with the statistics
            of each single crop, as the released extraction ran it.

    Returns:
        PoseNet: The net.

    Raises:
        TapError: If a tap is not there; the message has the closest names.
        FileNotFoundError: If ``pose`` or ``checkpoint`` is not there.
        ValueError: If the net is of another kind, or the checkpoint of
            another net.
    """
    if norm not in NORMS:
        raise ValueError(f'norm must be one of {NORMS}, got {norm!r}')
    if not osp.isfile(pose):
        raise FileNotFoundError(
            f'{pose}: no such pose net; give an mmpose config (.py) or an '
            'ONNX file (.onnx)')
    if str(pose).endswith('.onnx'):
        if checkpoint:
            raise ValueError(f'{pose} holds its own weights: leave the '
                             f'checkpoint {checkpoint} out')
        if norm != 'eval':
            raise ValueError("norm='crop' needs an mmpose net: the batch norm "
                             f'of {pose} is part of its graph')
        return OnnxPoseNet(pose, taps, device)
    return MMPoseNet(pose, checkpoint, taps, device, norm)


class PoseNet:
    """What both kinds share.

    Attributes:
        size (tuple[int]): Width and height of the crops it takes.
        udp (bool): Whether crops follow mmpose's unbiased data processing.
        layout (str): Name of the joints' layout, ``'coco'`` for COCO's 17.
        taps (dict[str, int]): Tap to number of channels.
        num_joints (int): V.
        record (dict): What made the maps, for the store.
    """

    udp = False

    def __call__(self, crops):
        """Run the net.

        Args:
            crops (np.ndarray): RGB crops, (N, height, width, 3) uint8.

        Returns:
            PoseOutput: Joints, scores and maps.
        """
        raise NotImplementedError

    def _probe(self):
        """Run one grey crop, to learn V and the channels of the taps."""
        grey = np.full((1, self.size[1], self.size[0], 3), 114, np.uint8)
        output = self(grey)
        self.num_joints = output.joints.shape[1]
        for tap, value in output.maps.items():
            if value.ndim != 4:
                raise TapError(f'tap {tap!r} gives {tuple(value.shape)}; a '
                               'feature map (N, C, h, w) is needed')
        self.taps = {tap: value.shape[1]
                     for tap, value in output.maps.items()}


class MMPoseNet(PoseNet):
    """A top-down pose net of mmpose; see :func:`build_pose_net`."""

    def __init__(self, config, checkpoint, taps, device, norm):
        # mmpose and what it imports cost seconds: only who needs them pays
        from mmengine import Config, DefaultScope
        from mmpose.apis import init_model
        from mmpose.models import TopdownPoseEstimator

        config_file, config = str(config), Config.fromfile(config)
        checkpoint = checkpoint or config.get('load_from')
        if not checkpoint:
            raise ValueError(f'{config_file} names no weights (load_from): '
                             'give a checkpoint')
        # mmpose would make its scope the default of the whole process
        config.default_scope = None
        with DefaultScope.overwrite_default_scope('mmpose'):
            model = init_model(config, device='cpu')
        if not isinstance(model, TopdownPoseEstimator):
            raise ValueError(f'{config_file} describes a '
                             f'{type(model).__name__}; only top-down nets '
                             '(TopdownPoseEstimator) give maps of a person')
        sha256 = load_weights(model, checkpoint)
        if norm == 'crop':
            use_crop_statistics(model)
        self.device = torch.device(device)
        self.model = model.to(self.device).eval()
        self.kept = ModuleTaps(self.model, taps)

        self.size = tuple(int(n) for n in model.head.decoder.input_size)
        self.udp = any(
            step['type'] == 'TopdownAffine' and step.get('use_udp', False)
            for step in _test_pipeline(config))
        self.layout = (model.dataset_meta or {}).get('dataset_name', 'coco')
        stats = config.model.get('data_preprocessor', {})
        self.to_rgb = stats.get('bgr_to_rgb', False)
        self.mean, self.std = (
            torch.tensor(stats.get(key, default), device=self.device).float()
            for key, default in (('mean', (0., )), ('std', (1., ))))
        self._probe()
        self.record = dict(
            config=osp.basename(config_file),
            checkpoint=osp.basename(str(checkpoint)),
            sha256=sha256,
            norm=norm,
            size=list(self.size))

    @torch.inference_mode()
    def __call__(self, crops):
        """See :meth:`PoseNet.__call__`."""
        inputs = torch.from_numpy(crops).to(self.device)
        if not self.to_rgb:  # the net wants what OpenCV reads, BGR
            inputs = inputs.flip(-1)
        inputs = ((inputs.float() - self.mean) / self.std).permute(0, 3, 1, 2)
        outputs = self.model.head(self.model.extract_feat(inputs))
        decoded = self.model.head.decode(outputs)
        joints = np.stack([_numpy(p.keypoints)[0] for p in decoded])
        scores = np.stack([_numpy(p.keypoint_scores)[0] for p in decoded])
        return PoseOutput(
            joints[..., :2].astype(np.float32), scores.astype(np.float32),
            self.kept.take(),
            outputs if isinstance(outputs, tuple) else (outputs, ))


def _numpy(value):
    return value.cpu().numpy() if isinstance(value, torch.Tensor) else value


def _test_pipeline(config):
    for key in ('test_dataloader', 'val_dataloader'):
        if key in config:
            return config[key].dataset.get('pipeline', [])
    return []


def load_weights(model, checkpoint):
    """Load a checkpoint completely or not at all.

    Args:
        model (nn.Module): The net.
        checkpoint (str): File or address.

    Returns:
        str: sha256 of the file.

    Raises:
        FileNotFoundError: If the file is not there.
        ValueError: If keys are missing or shapes differ, with the names.
    """
    checkpoint = local_file(checkpoint)
    loaded = torch.load(checkpoint, 'cpu', weights_only=True)
    state = loaded.get('state_dict', loaded)
    wanted = model.state_dict()
    missing = [key for key in wanted
               if key not in state and 'num_batches_tracked' not in key]
    other = [f'{key} {tuple(state[key].shape)} instead of '
             f'{tuple(value.shape)}' for key, value in wanted.items()
             if key in state and state[key].shape != value.shape]
    if missing or other:
        raise ValueError(
            f'{checkpoint} is the checkpoint of another net: '
            f'{len(missing)} keys missing {missing[:3]}, '
            f'{len(other)} of another shape {other[:3]}')
    model.load_state_dict(state, strict=False)
    return sha256_of(checkpoint)


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
            torch.hub.download_url_to_file(checkpoint, path)
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


class OnnxPoseNet(PoseNet):
    """A pose net in an ONNX file; see :func:`build_pose_net`."""

    layout = 'coco'

    def __init__(self, path, taps, device):
        import onnx
        import onnxruntime

        try:
            graph = onnx.load(path)
        except Exception as error:
            raise ValueError(f'{path} is no ONNX file: {error}') from None
        free_batch(graph)
        names = {name for node in graph.graph.node for name in node.output}
        given = {value.name for value in graph.graph.output}
        for tap in taps:
            if tap not in names:
                raise unknown_tap(tap, sorted(names), 'tensor')
            if tap not in given:
                graph.graph.output.append(onnx.ValueInfoProto(name=tap))
        self.answers = [value.name for value in graph.graph.output
                        if value.name in given]
        self.taps = dict.fromkeys(taps)
        self.session = onnxruntime.InferenceSession(
            graph.SerializeToString(), providers=[_provider(device)])
        inputs = self.session.get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4 or \
                inputs[0].shape[1] != 3:
            raise ValueError(
                f'{path}: a pose net has one input (N, 3, h, w), this one has '
                f'{[(i.name, i.shape) for i in inputs]}')
        if not all(isinstance(n, int) for n in inputs[0].shape[2:]):
            raise ValueError(f'{path}: the input size must be fixed, it is '
                             f'{inputs[0].shape}: export it with fixed h, w')
        if len(self.answers) not in (1, 2):
            raise ValueError(
                f'{path} has the outputs {self.answers}; one (heatmaps) or '
                'two (SimCC x and y) are understood')
        self.input = inputs[0].name
        self.size = (inputs[0].shape[3], inputs[0].shape[2])
        # x / 255 - mean over std, folded into one scale and shift
        self.scale = 1 / np.array(IMAGENET_STD, np.float32)
        self.shift = -np.array(IMAGENET_MEAN, np.float32) * self.scale
        self._probe()
        self._check_batches(path)
        self.record = dict(
            onnx=osp.basename(str(path)),
            sha256=sha256_of(path),
            norm='eval',
            size=list(self.size))

    def __call__(self, crops):
        """See :meth:`PoseNet.__call__`."""
        inputs = np.ascontiguousarray(
            (crops * self.scale + self.shift).transpose(0, 3, 1, 2))
        names = self.answers + list(self.taps)
        outputs = dict(zip(names, self.session.run(names,
                                                   {self.input: inputs})))
        answers = [outputs[name] for name in self.answers]
        if len(answers) == 1 and answers[0].ndim == 4:
            joints, scores = decode_heatmaps(answers[0], self.size)
        elif len(answers) == 2 and all(a.ndim == 3 for a in answers):
            joints, scores = decode_simcc(*answers, self.size)
        else:
            raise ValueError(
                'the net gives neither heatmaps (N, V, h, w) nor SimCC '
                f'(N, V, W), (N, V, H), but {[a.shape for a in answers]}')
        return PoseOutput(
            joints, scores,
            {tap: torch.from_numpy(outputs[tap]) for tap in self.taps},
            tuple(map(torch.from_numpy, answers)))

    def _check_batches(self, path):
        """A freed batch is only worth it if the graph keeps crops apart."""
        crops = np.random.RandomState(0).randint(
            0, 256, (2, self.size[1], self.size[0], 3)).astype(np.uint8)
        both, second = self(crops), self(crops[1:])
        pairs = [(both.scores[1:], second.scores)]
        pairs += [(both.maps[tap][1:], second.maps[tap]) for tap in self.taps]
        for a, b in pairs:
            if not np.allclose(a, b, rtol=1e-3, atol=1e-4):
                raise ValueError(f'{path} mixes the crops of a batch: export '
                                 'it with a dynamic batch dimension')


def _provider(device):
    import onnxruntime
    device = torch.device(device)
    if device.type == 'cpu':
        return 'CPUExecutionProvider'
    if 'CUDAExecutionProvider' not in onnxruntime.get_available_providers():
        raise ValueError(f'onnxruntime cannot run on {device}: '
                         'pip install onnxruntime-gpu, or use the CPU')
    return ('CUDAExecutionProvider', {'device_id': device.index or 0})


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
