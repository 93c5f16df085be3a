# Table IX: regions of 3 x 3 cells.
_base_ = '../../streams/nw_ucla_small/hpj_ctrgcn_nw_ucla_small.py'

load = dict(type='LoadPooledFeature', tap='hybridsequential0_relu4_fwd@3')
train_dataloader = val_dataloader = test_dataloader = dict(
    dataset=dict(pipeline=[load, *_base_.hp.j.dataset.pipeline[1:]]))
