"""Features minus the mean of their map around the person."""
import numpy as np
import pytest
import torch

from hpnet_plugin.estimation.extractor import PooledExtractor
from hpnet_plugin.estimation.geometry import crop_person, to_crop
from hpnet_plugin.estimation.pose import PoseNet, PoseOutput
from hpnet_plugin.estimation.rings import (
    INSIDE,
    areas_in_crops,
    ring_means,
    within,
)
from hpnet_plugin.estimation.taps import TapError

SIZE = (48, 64)
RNG = np.random.RandomState(0)
MAPS = RNG.randn(4, 3, 16, 12).astype(np.float32)
# box and what is seen of the frame, in pixels of the crop
AREAS = np.float32([
    [[[9.6, 6.4], [38.4, 57.6]], [[-.5, -.5], [47.5, 63.5]]],
    [[[13.1, 20.7], [22.3, 90.2]], [[-.5, 10.2], [30.9, 63.5]]],
    [[[-9., -9.], [99., 99.]], [[3.3, -.5], [47.5, 60.]]],  # fills it
    [[[70., 10.], [90., 20.]], [[-.5, -.5], [47.5, 63.5]]],  # beside it
])


def overlap(low, high, cell, side):
    return max(0., min(high, (cell + 1) * side - .5)
               - max(low, cell * side - .5))


def plain_mean(maps, box, seen, side):
    """Cell by cell, by the areas of rectangles."""
    total, weight = np.zeros(len(maps)), 0.
    low, high = np.maximum(box[0], seen[0]), np.minimum(box[1], seen[1])
    for row in range(maps.shape[1]):
        for column in range(maps.shape[2]):
            whole, inside = (
                overlap(a[0], b[0], column, side)
                * overlap(a[1], b[1], row, side)
                for a, b in (seen, (low, high)))
            counts = whole - inside + INSIDE * inside
            total += counts * maps[:, row, column]
            weight += counts
    return total / weight


def test_means_of_cells_around_a_box():
    found = ring_means(torch.from_numpy(MAPS), torch.from_numpy(AREAS), SIZE)
    for n in range(4):
        np.testing.assert_allclose(
            found[n], plain_mean(MAPS[n], *AREAS[n], 4), atol=1e-5)


def test_where_the_box_fills_all_its_own_mean_is_taken():
    areas = torch.tensor([[[[-5., -5.], [60., 70.]], [[-.5, -.5],
                                                      [47.5, 63.5]]]])
    found = ring_means(torch.from_numpy(MAPS[:1]), areas, SIZE)
    np.testing.assert_allclose(found[0], MAPS[0].mean((1, 2)), atol=1e-5)


def test_a_little_background_outweighs_the_box():
    """A cell's width beside the person: the box counts below a hundredth."""
    maps = torch.zeros(1, 1, 16, 12)
    maps[..., 1:] = 1
    areas = torch.tensor([[[[3.5, -5.], [60., 70.]], [[-.5, -.5],
                                                      [47.5, 63.5]]]])
    assert ring_means(maps, areas, SIZE).item() < .012


def test_nothing_is_seen():
    areas = torch.zeros(1, 2, 2, 2)
    assert not ring_means(torch.from_numpy(MAPS[:1]), areas, SIZE).any()


@pytest.mark.parametrize('box', [
    (20, 10, 60, 90), (-30, 40, 5, 70), (50, 50, 51, 51), (0, 0, 160, 120),
    (150, 100, 400, 300)])
def test_areas_follow_the_crop(box):
    """The frame is white; where the crop is black, no frame is seen."""
    frame = np.full((120, 160, 3), 255, np.uint8)
    crop, matrix = crop_person(frame, np.float32(box), SIZE)
    areas = areas_in_crops(matrix[None], np.float32([(*box, .9)]), (120, 160))
    np.testing.assert_allclose(areas[0, 0], to_crop(
        np.float32(box).reshape(1, 2, 2), matrix[None])[0], atol=1e-4)
    seen = within(torch.from_numpy(areas), SIZE)[0, 1].numpy()
    x, y = np.meshgrid(np.arange(48), np.arange(64))
    zoom = matrix[0, 0] + 1  # at the border pixels are mixed
    for inside, value in ((zoom, 255), (-zoom, 0)):
        (x1, y1), (x2, y2) = seen + np.array([[inside], [-inside]])
        here = (x > x1) & (x < x2) & (y > y1) & (y < y2)
        here = here if value else ~here
        assert (crop[here] == value).all()


class Net(PoseNet):
    """A net whose maps are known."""
    size, layout, record, taps = SIZE, 'coco', {}, dict(conv=3)
    light = 0.

    def run(self, images):
        n = len(images)
        return PoseOutput(torch.full((n, 17, 2), 20.), torch.ones(n, 17),
                          dict(conv=torch.from_numpy(MAPS[:n]) + self.light),
                          (None, ))


def test_light_is_subtracted():
    """What is added to the whole map adds nothing to the feature."""
    extractor = PooledExtractor(
        Net(), rings=['conv@ring', 'conv@3@ring'], features={
            'conv': ('conv', 1), 'conv@ring': ('conv', 1),
            'conv@3@ring': ('conv', 3)})
    crops = np.zeros((4, 64, 48, 3), np.uint8)
    where = np.tile(np.eye(2, 3), (4, 1, 1))
    dark = extractor(crops, where, areas=AREAS)[2]
    for n in range(4):
        np.testing.assert_allclose(
            dark['conv'][n] - dark['conv@ring'][n], np.tile(plain_mean(
                MAPS[n], *AREAS[n], 4), (17, 1)), atol=3e-3)
    extractor.net.light = 5.
    bright = extractor(crops, where, areas=AREAS)[2]
    np.testing.assert_allclose(bright['conv'], dark['conv'] + 5, atol=6e-3)
    for name in ('conv@ring', 'conv@3@ring'):
        np.testing.assert_allclose(bright[name], dark[name], atol=3e-3)
    with pytest.raises(TapError, match='conv@3@ring: a ring needs the box'):
        extractor(crops, where)
