"""Which parameters of a model decay."""
from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Iterator
from typing import Any

from mmaction.registry import OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.logging import MMLogger
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from torch import nn
from torch.optim import Optimizer


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class FlatDecayFree(DefaultOptimWrapperConstructor):
    """mmengine's constructor, without weight decay of flat parameters.

    Biases, the weights of norms and anything else of at most one dimension
    never decay, as in the released code. With mmengine's ``flat_decay_mult``
    they do wherever a pattern of ``custom_keys`` sets their rate.

    The log has one line on all parameters, where mmengine's constructor
    writes one for each. Parameters of the same settings share a group, as
    optimizers and schedulers take their time by the group. A training that
    was begun with a group for each parameter goes on so.
    """

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Build the optimizer of a model.

        Args:
            model: The model.

        Returns:
            The optimizer, wrapped.
        """
        wrapper = super().__call__(model)
        single = self._single
        wrapper.optimizer.register_load_state_dict_pre_hook(
            lambda optimizer, state: _as_it_was(optimizer, state, single))
        return wrapper

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
        self._single = [dict(group) for group in params]
        params[:] = _together(params)

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


def _together(groups: list[dict]) -> list[dict]:
    """Groups of the same settings as one, in the order of their first."""
    found: dict[tuple, dict] = {}
    for group in groups:
        settings = {key: value for key, value in group.items()
                    if key != 'params'}
        one = found.setdefault(tuple(sorted(settings.items())),
                               dict(settings, params=[]))
        one['params'] += group['params']
    return list(found.values())


def _as_it_was(optimizer: Optimizer, state: dict[str, Any],
               single: list[dict]) -> dict[str, Any]:
    """Take the groups of an older training, one for each parameter.

    Args:
        optimizer: Its groups are split in place where the state's are.
        state: What is about to be loaded.
        single: The groups of single parameters.

    Returns:
        The state, with the implementation that this optimizer has.
    """
    own = optimizer.param_groups
    how = {key: own[0][key] for key in ('foreach', 'fused') if key in own[0]}
    if len(state['param_groups']) == len(single) != len(own):
        own[:] = [dict(group) for group in single]
    return dict(state, param_groups=[
        {**group, **how} for group in state['param_groups']])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
