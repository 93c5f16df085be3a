"""What a tap's name says: a net, a layer, a region, a place, a ring."""
from __future__ import annotations

import os.path as osp
import re
from typing import NamedTuple

TIMM = 'timm/'
BEYOND, RING = '@beyond', '@ring'


class NetName(NamedTuple):
    """An image net of open_clip or timm.

    Attributes:
        library: ``'open_clip'`` or ``'timm'``.
        model: Name of the architecture in the library.
        tag: Name of the published weights, empty if there is none.
        file: File of the weights, empty for those of the tag.
    """
    library: str
    model: str
    tag: str = ''
    file: str = ''

    @property
    def title(self) -> str:
        """The name in a feature store, where a file has no folder."""
        return self._text(osp.basename(self.file))

    def __str__(self) -> str:
        return self._text(self.file)

    def _text(self, file: str) -> str:
        name = self.model
        if self.library == 'timm':
            name = TIMM + name
        if self.tag:
            name += ('.' if self.library == 'timm' else '/') + self.tag
        return name + (f'={file}' if file else '')


def parse_net(text: str) -> NetName:
    """Read the name of an image net.

    Args:
        text: ``MODEL/TAG`` or ``MODEL=FILE`` of open_clip,
            ``timm/MODEL.TAG`` or ``timm/MODEL=FILE`` of timm;
            ``MODEL/TAG=FILE`` and ``timm/MODEL.TAG=FILE`` are the net of a
            tag with weights from a file.

    Returns:
        Its parts. Whether they exist is not looked at.
    """
    name, _, file = text.partition('=')
    if name.startswith(TIMM):
        model, _, tag = name[len(TIMM):].partition('.')
        return NetName('timm', model, tag, file)
    model, _, tag = name.partition('/')
    return NetName('open_clip', model, tag, file)


class Tap(NamedTuple):
    """A feature that is pooled at the joints.

    Attributes:
        name: Its name in the store.
        source: The feature map: a layer of the pose net, or ``NET:LAYER`` of
            an image net, with the name that the net has in the store.
        region: R of Eq. 3.
        beyond: Whether it is pooled past the joint instead of at it.
        ring: Whether the mean of the map around the person is subtracted.
        layer: Module path or tensor.
        net: The image net; None for the pose net.
    """
    name: str
    source: str
    region: int
    beyond: bool
    ring: bool
    layer: str
    net: NetName | None


def parse_tap(text: str, region: int = 1) -> Tap:
    """Read the name of a tap.

    Args:
        text: ``LAYER`` of the pose net or ``NET:LAYER`` of an image net.
            Behind it, in this order and each where it is wanted: ``@3``, a
            region of its own; ``@beyond``; ``@ring``.
        region: R of Eq. 3 where it has none of its own.

    Returns:
        Its parts. Whether they exist is not looked at.
    """
    match = re.fullmatch(rf'(.+?)(@\d+)?({BEYOND})?({RING})?', text,
                         re.DOTALL)
    if match is None:  # an empty name, which no net has
        return Tap(text, text, region, False, False, text, None)
    source, own, beyond, ring = (part or '' for part in match.groups())
    net, layer = None, source
    if is_of_image_net(source):
        before, _, layer = source.rpartition(':')
        net = parse_net(before)
        source = f'{net.title}:{layer}'
    return Tap(source + own + beyond + ring, source,
               int(own[1:]) if own else region, bool(beyond), bool(ring),
               layer, net)


def is_of_image_net(source: str) -> bool:
    """Whether a tap names a layer of an image net.

    Tensors of TensorFlow end in a colon and a number, ``conv:0``.

    Args:
        source: The tap without what stands behind an ``@``.

    Returns:
        True for ``NET:LAYER``.
    """
    net, _, layer = source.rpartition(':')
    return bool(net and layer) and (
        net.startswith(TIMM) or not layer.isdigit())
