# Heatmap pooled features, joint motion stream.
_base_ = './hpj_ctrgcn_ntu60_xsub.py'

train_dataloader = val_dataloader = test_dataloader = _base_.hp.jm
