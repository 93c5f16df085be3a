"""Feature maps of a second net, pooled at the joints of the pose net."""
import numpy as np
import open_clip
import pytest
import timm
import torch
import torch.nn.functional as F
from open_clip.model import CLIPVisionCfg, _build_vision_tower
from safetensors.torch import load_file, save_file

from hpnet_plugin.estimation import tower_weights
from hpnet_plugin.estimation.extractor import PooledExtractor
from hpnet_plugin.estimation.image_nets import (
    ImageNet,
    build_image_nets,
    list_layers,
)
from hpnet_plugin.estimation.pose import PoseNet, PoseOutput
from hpnet_plugin.estimation.tap_names import parse_net, parse_tap
from hpnet_plugin.estimation.taps import TapError
from hpnet_plugin.estimation.token_maps import MapShapes
from hpnet_plugin.estimation.weight_files import WeightsError

PIXELS = (48, 64)
CPU = torch.device('cpu')
VIT = dict(embed_dim=16, vision_cfg=dict(
    layers=2, width=32, head_width=16, patch_size=8, image_size=32))
RESNET = 'test_resnet'  # timm's own for tests, 160 x 160
CROPS = np.random.RandomState(0).randint(
    0, 256, (5, 64, 48, 3)).astype(np.uint8)
JOINTS = np.random.RandomState(1).uniform(
    -4, 60, (5, 17, 2)).astype(np.float32)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Weights of a small ViT of open_clip and of a small CNN of timm."""
    folder = tmp_path_factory.mktemp('nets')
    torch.manual_seed(0)
    tower = _build_vision_tower(16, CLIPVisionCfg(**VIT['vision_cfg']))
    torch.save(dict(state_dict={
        f'module.visual.{key}': value
        for key, value in tower.state_dict().items()}), folder / 'vit.pth')
    save_file(timm.create_model(RESNET).state_dict(),
              folder / 'cnn.safetensors')
    return folder


@pytest.fixture(autouse=True)
def small_vit(monkeypatch):
    """open_clip knows one more model, as small as a test may be."""
    find = open_clip.get_model_config
    monkeypatch.setattr(open_clip, 'get_model_config', lambda name: dict(
        VIT) if name == 'small' else find(name))


class Net(PoseNet):
    """A pose net whose joints are known."""
    size, layout, record, taps = PIXELS, 'coco', {}, dict(conv=3)
    maps = torch.randn(5, 3, 16, 12)

    def run(self, images):
        n = len(images)
        return PoseOutput(torch.from_numpy(JOINTS[:n]), torch.ones(n, 17),
                          dict(conv=self.maps[:n]), (None, ))


def extractor_of(*texts):
    taps = [parse_tap(text) for text in texts]
    return PooledExtractor(
        Net(), features={tap.name: (tap.source, tap.region) for tap in taps},
        rings=[tap.name for tap in taps if tap.ring],
        others=build_image_nets(taps, PIXELS, CPU))


def plain_input(crop, size, mean, std):
    """The crop in the middle of a square, by loops over pixels."""
    zoom = size / max(crop.shape[:2])
    own = (crop / 255. - mean) / std
    for axis in (0, 1):
        side = crop.shape[axis]
        start = (size - zoom * side) / 2
        rows = np.zeros((size, *np.delete(own.shape, axis)))
        for i in range(size):
            middle = (i + .5 - start) / zoom
            if not 0 < middle < side:
                continue
            reach = max(1, 1 / zoom)
            near = np.arange(max(0, int(middle - reach - 1)),
                             min(side, int(middle + reach + 2)))
            weight = np.maximum(0, 1 - abs(near + .5 - middle) / reach)
            rows[i] = np.tensordot(
                weight / weight.sum(), np.take(own, near, axis), (0, axis))
        own = np.moveaxis(rows, 0, axis)
    return own.transpose(2, 0, 1)


def plain_pooling(maps, joints, stride):
    """Bilinear samples, joint by joint; beside the map is zero."""
    padded = np.pad(maps, ((0, 0), (1, 1), (1, 1)))
    pooled = np.zeros((len(joints), len(maps)))
    for v, (x, y) in enumerate((joints + .5) / stride - .5):
        column, row = int(np.floor(x)), int(np.floor(y))
        for r, at_row in ((row, 1 - y + row), (row + 1, y - row)):
            for c, at_column in ((column, 1 - x + column),
                                 (column + 1, x - column)):
                if -1 <= r <= maps.shape[1] and -1 <= c <= maps.shape[2]:
                    pooled[v] += at_row * at_column * padded[
                        :, r + 1, c + 1]
    return pooled


def in_square(joints, size):
    zoom = size / PIXELS[1]
    start = np.array([(size - zoom * PIXELS[0]) / 2, 0])
    return (joints + .5) * zoom + start - .5


def test_tokens_of_a_vit_at_the_joints(folder):
    """The class token is dropped, and patch (r, c) is cell (r, c)."""
    file = folder / 'vit.pth'
    tap = f'small={file}:visual.transformer.resblocks.1'
    extractor = extractor_of(tap)
    name = 'small=vit.pth:visual.transformer.resblocks.1'
    assert extractor.taps == {name: 32}
    found = extractor(CROPS, np.tile(np.eye(2, 3), (5, 1, 1)))[2][name]

    tower = _build_vision_tower(16, CLIPVisionCfg(**VIT['vision_cfg'])).eval()
    state = torch.load(file, weights_only=True)['state_dict']
    tower.load_state_dict({key.removeprefix('module.visual.'): value
                           for key, value in state.items()})
    images = torch.from_numpy(np.stack([plain_input(
        crop, 32, open_clip.OPENAI_DATASET_MEAN,
        open_clip.OPENAI_DATASET_STD) for crop in CROPS])).float()
    kept = []
    tower.transformer.resblocks[1].register_forward_hook(
        lambda module, inputs, output: kept.append(output))
    with torch.no_grad():
        tower(images)
    patches = kept[0][:, 1:].transpose(1, 2).reshape(5, 32, 4, 4).numpy()
    for n in range(5):
        expected = plain_pooling(patches[n], in_square(JOINTS[n], 32), 8)
        np.testing.assert_allclose(found[n], expected, atol=4e-3, rtol=2e-3)


def test_maps_of_a_cnn_at_the_joints(folder):
    """Beside a tap of the pose net, and over a region of three cells."""
    file = folder / 'cnn.safetensors'
    name = f'timm/{RESNET}=cnn.safetensors:layer2'
    extractor = extractor_of('conv', f'timm/{RESNET}={file}:layer2',
                             f'timm/{RESNET}={file}:layer2@3')
    assert list(extractor.taps) == ['conv', name, f'{name}@3']
    found = extractor(CROPS, np.tile(np.eye(2, 3), (5, 1, 1)))[2]

    model = timm.create_model(RESNET).eval()
    model.load_state_dict(load_file(file))
    images = torch.from_numpy(np.stack([plain_input(
        crop, 160, .5, .5) for crop in CROPS[[0, 4]]])).float()
    with torch.no_grad():
        x = model.maxpool(model.act1(model.bn1(model.conv1(images))))
        maps = model.layer2(model.layer1(x)).numpy()
    stride = 160 // maps.shape[-1]
    for n in (0, 4):
        at = in_square(JOINTS[n], 160)
        expected = plain_pooling(maps[n // 4], at, stride)
        np.testing.assert_allclose(found[name][n], expected,
                                   atol=4e-3, rtol=2e-3)
        around = [plain_pooling(maps[n // 4], at + stride * (
            np.array(step) - 1), stride) for step in np.ndindex(3, 3)]
        np.testing.assert_allclose(found[f'{name}@3'][n],
                                   np.mean(around, 0), atol=4e-3, rtol=2e-3)


def test_a_shrunk_crop_is_as_torch_shrinks_it(folder):
    """Where crop and input have one shape, antialiasing is that of torch."""
    net = ImageNet(parse_net(f'small={folder}/vit.pth'), ['visual.conv1'],
                   (80, 80), CPU)
    crop = torch.from_numpy(np.random.RandomState(0).randint(
        0, 256, (1, 80, 80, 3)).astype(np.uint8))
    plain = F.interpolate(crop.permute(0, 3, 1, 2) / 255., (32, 32),
                          mode='bilinear', antialias=True)
    torch.testing.assert_close(
        net.inputs(crop), (plain - net.mean) / net.std, atol=2e-5, rtol=0)


def test_a_crop_is_the_same_in_any_batch(folder):
    extractor = extractor_of(
        f'small={folder}/vit.pth:visual.transformer.resblocks.1',
        f'timm/{RESNET}={folder}/cnn.safetensors:layer3')
    at, joints = np.tile(np.eye(2, 3), (5, 1, 1)), JOINTS
    whole = extractor(CROPS, at, joints)[2]
    for part in (slice(0, 2), slice(3, 5), slice(4, 5)):
        some = extractor(CROPS[part], at[part], joints[part])[2]
        for name, value in some.items():
            np.testing.assert_allclose(value, whole[name][part], atol=2e-3)


def test_what_made_the_maps_is_recorded(folder):
    file = folder / 'vit.pth'
    record = extractor_of(f'small={file}:visual.conv1').record
    net = record['image_nets']['small=vit.pth']
    assert net['sha256'] == tower_weights.sha256_of(str(file))
    assert net['size'] == [32, 32] and net['file'] == 'vit.pth'
    assert 'image_nets' not in extractor_of('conv').record


def test_two_nets_never_have_one_name(folder, tmp_path):
    (tmp_path / 'vit.pth').write_bytes((folder / 'vit.pth').read_bytes())
    with pytest.raises(TapError, match='rename one of the files'):
        extractor_of(f'small={folder}/vit.pth:visual.conv1',
                     f'small={tmp_path}/vit.pth:visual.conv1')


@pytest.mark.parametrize('tap, error, text', [
    ('timm/resnet18:layer1', WeightsError, 'says of no weights.*a1_in1k'),
    ('ViT-B-32:visual.conv1', WeightsError, 'ViT-B-32/openai'),
    ('timm/resnet18=none.pth:layer1', WeightsError, 'none.pth: no such file'),
    ('timm/resnet18.a7:layer1', TapError,
     "no weights 'a7'.*closest: .*a1_in1k"),
    ('timm/resnet81:layer1', TapError, 'the closest: .*resnet18'),
    ('ViT-B-33/openai:visual', TapError, 'the closest: .*ViT-B-32'),
    ('ViT-B-32/opnai:visual', TapError, 'the closest: openai'),
    ('small={}/vit.pth:visual.conv9', TapError,
     'of the image net small=vit.pth; the closest: visual.conv1.'),
    ('small={}/vit.pth:visual', TapError, 'a feature map'),
    ('timm/test_vit={}/cnn.safetensors:blocks.1', WeightsError,
     'weights of another net'),
])
def test_wrong_names(folder, tap, error, text):
    with pytest.raises(error, match=text):
        extractor_of(tap.format(folder))


def test_a_tag_that_cannot_be_downloaded(monkeypatch):
    """The message says which file, from where, and what to do with it."""
    monkeypatch.setenv('HF_HUB_OFFLINE', '1')
    from huggingface_hub import constants
    monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', True)
    with pytest.raises(WeightsError, match=(
            'get model.safetensors of timm/resnet18.a1_in1k elsewhere and '
            'give the file, timm/resnet18.a1_in1k=FILE')):
        extractor_of('timm/resnet18.a1_in1k:layer1')


def test_weights_are_found_by_their_name(folder, monkeypatch):
    """As a trained model knows them."""
    monkeypatch.setenv('HPNET_WEIGHTS', str(folder))
    assert extractor_of('small=vit.pth:visual.conv1').taps == {
        'small=vit.pth:visual.conv1': 32}


def test_layers_of_a_net():
    layers = list_layers(parse_net('timm/test_vit'))
    assert layers['blocks.1'] == (64, 10, 10)
    assert layers['patch_embed'] == (64, 10, 10)


@pytest.mark.parametrize('shape, expected', [
    ((2, 7, 5, 5), (2, 7, 5, 5)),      # channels first
    ((2, 5, 5, 7), (2, 7, 5, 5)),      # channels last
    ((2, 28, 7), (2, 7, 5, 5)),        # three tokens before the patches
    ((2, 25, 7), (2, 7, 5, 5)),        # patches alone
    ((2, 24, 7), None),
    ((28, 2, 7), None),                # tokens before crops
    ((2, 4, 28, 28), None),            # attention
    ((2, 7), None),
])
def test_what_is_a_map(shape, expected):
    found = MapShapes((40, 40), 3)(torch.zeros(shape), 2)
    assert (found if found is None else tuple(found.shape)) == expected


@pytest.mark.parametrize('text, name, region, beyond, ring', [
    ('conv', 'conv', 1, False, False),
    ('conv:0', 'conv:0', 1, False, False),  # a tensor of TensorFlow
    ('conv@3@ring', 'conv@3@ring', 3, False, True),
    ('conv@3@beyond@ring', 'conv@3@beyond@ring', 3, True, True),
    ('conv@beyond', 'conv@beyond', 1, True, False),
    ('conv@ring', 'conv@ring', 1, False, True),
    ('ViT-B-32/openai:visual.conv1@5', 'ViT-B-32/openai:visual.conv1@5', 5,
     False, False),
    ('timm/a.b=x/y/w.pth:layer1', 'timm/a.b=w.pth:layer1', 1, False, False),
])
def test_names_of_taps(text, name, region, beyond, ring):
    tap = parse_tap(text)
    assert tap[:1] + tap[2:5] == (name, region, beyond, ring)
    assert parse_tap(name).name == name
