# Table VII: H3, 16 x 12 cells.
_base_ = '../../streams/nw_ucla_small/hpj_ctrgcn_nw_ucla_small.py'

load = dict(type='LoadPooledFeature', tap='hybridsequential0_relu2_fwd')
train_dataloader = val_dataloader = test_dataloader = dict(
    dataset=dict(pipeline=[load, *_base_.hp.j.dataset.pipeline[1:]]))
