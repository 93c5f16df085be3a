"""Augmentations of images."""
from typing import cast

from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform, Compose


@TRANSFORMS.register_module()
class EachImage(BaseTransform):
    """Put each image of a clip through transforms of its own.

    What is random in them is drawn anew for each image, as the released code
    does with colours; by themselves transforms treat all images of a clip
    alike.

    Required Keys:

        - imgs (list of (H, W, 3))

    Modified Keys:

        - imgs

    Args:
        transforms: Of images; what else they add or change is lost.
    """

    def __init__(self, transforms: list[dict]) -> None:
        self.transforms = Compose(transforms)

    def transform(self, results: dict) -> dict:
        """Transform the images one by one."""
        results['imgs'] = [
            cast(dict, self.transforms(dict(results, imgs=[image])))['imgs'][0]
            for image in results['imgs']]
        return results

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}(transforms={self.transforms})'
