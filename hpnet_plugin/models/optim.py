"""Which parameters of a model decay."""
from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Iterator

from mmaction.registry import OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.logging import MMLogger
from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class FlatDecayFree(DefaultOptimWrapperConstructor):
    """mmengine's constructor, without weight decay of flat parameters.

    Biases, the weights of norms and anything else of at most one dimension
    never decay, as in the released code. With mmengine's ``flat_decay_mult``
    they do wherever a pattern of ``custom_keys`` sets their rate.

    The log has one line on all parameters, where mmengine's constructor
    writes one for each.
    """

    def add_params(self,
                   params: list[dict],
                   module: nn.Module,
                   prefix: str = '',
                   is_dcn_module: int | float | None = None) -> None:
        """Add the parameters of a module, see mmengine's constructor.

        Args:
            params: Parameter groups, grown in place.
            module: The module.
            prefix: Its place in the model. Defaults to none, the model.
            is_dcn_module: Of mmengine.
        """
        if prefix:
            super().add_params(params, module, prefix, is_dcn_module)
            return
        with _quiet():
            super().add_params(params, module, prefix, is_dcn_module)
        for group in params:
            if group['params'][0].ndim <= 1:
                group['weight_decay'] = 0.
        MMLogger.get_current_instance().info(self._summary(params, module))

    def _summary(self, params: list[dict], module: nn.Module) -> str:
        """What was set, in one line."""
        rates = Counter(group.get('lr', self.base_lr) for group in params)
        free = sum(not group.get('weight_decay', self.base_wd)
                   for group in params)
        frozen = sum(not value.requires_grad for value in module.parameters())
        return (f'{len(params):,} tensors learn, at rates of '
                + ', '.join(f'{rate:g} ({number:,})'
                            for rate, number in sorted(rates.items()))
                + f'; {free:,} of them do not decay; {frozen:,} more are '
                'frozen')


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
