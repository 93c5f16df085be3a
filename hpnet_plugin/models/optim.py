"""Which parameters of a model decay."""
from mmaction.registry import OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.optim import DefaultOptimWrapperConstructor


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class FlatDecayFree(DefaultOptimWrapperConstructor):
    """mmengine's constructor, without weight decay of flat parameters.

    Biases, the weights of norms and anything else of at most one dimension
    never decay, as in the released code. With mmengine's ``flat_decay_mult``
    they do wherever a pattern of ``custom_keys`` sets their rate.
    """

    def add_params(self, params, module, prefix='', is_dcn_module=None):
        """See mmengine's ``DefaultOptimWrapperConstructor.add_params``."""
        super().add_params(params, module, prefix, is_dcn_module)
        if not prefix:  # the whole model is in
            for group in params:
                if group['params'][0].ndim <= 1:
                    group['weight_decay'] = 0.
