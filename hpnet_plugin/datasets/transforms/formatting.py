"""Batches of one shape."""
import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from ...persons import PADS, fill_people
from .clip import clip_title


@TRANSFORMS.register_module()
class FormatPooledInput(BaseTransform):
    """Bring a clip to a number of people, as ``RecognizerGCN`` takes it.

    The result goes to ``keypoint`` whatever it was made of, unless ``out``
    says otherwise: that is where ``PackActionInputs`` finds the input of a
    one-tensor model. Types are kept; ``ActionDataPreprocessor`` casts to
    float32 on the device, so that float16 features travel there at half the
    size.

    Required Keys:

        - the one named by ``key`` ((M, T, V, C))
        - num_clips (optional; how many clips were sampled one after the
          other along T)

    Added Keys:

        - the one named by ``out`` ((num_clips, num_person, T / num_clips,
          V, C))

    Args:
        num_person: People of the model. Defaults to 2.
        key: ``'pooled_feat'`` or ``'keypoint'``. Defaults to
            ``'pooled_feat'``.
        pad: What fills the slots of a clip with fewer people: ``'repeat'`` the
            people again, as the paper does, or ``'zero'``. Surplus people are
            left out. Defaults to ``'repeat'``.
        out: Where the result goes; ``'pooled_feat'`` for models of several
            inputs. Defaults to ``'keypoint'``.

    Raises:
        ValueError: If ``pad`` is none of these.
    """

    def __init__(self,
                 num_person: int = 2,
                 key: str = 'pooled_feat',
                 pad: str = 'repeat',
                 out: str = 'keypoint') -> None:
        if pad not in PADS:
            raise ValueError(f'pad must be one of {PADS}, got {pad!r}')
        self.num_person = num_person
        self.key = key
        self.pad = pad
        self.out = out

    def transform(self, results: dict) -> dict:
        """Fill or cut the people and split the clips.

        Raises:
            ValueError: If there is nobody, or T is no multiple of the clips.
        """
        array = results[self.key]
        people, frames, joints, channels = array.shape
        clips = results.get('num_clips', 1)
        if not people:
            raise ValueError(f'{clip_title(results)}: {self.key} has nobody')
        if frames % clips:
            raise ValueError(f'{clip_title(results)}: {frames} frames cannot '
                             f'be {clips} clips of one length')
        # an array that nobody may write to is one of a mapped file
        filled = array if people == self.num_person and \
            array.flags.writeable else \
            fill_people(array, self.num_person, self.pad)
        results[self.out] = np.ascontiguousarray(filled.reshape(
            self.num_person, clips, -1, joints, channels).swapaxes(0, 1))
        return results

    def __repr__(self) -> str:
        return (f'{self.__class__.__name__}(num_person={self.num_person}, '
                f'key={self.key!r}, pad={self.pad!r}, out={self.out!r})')
