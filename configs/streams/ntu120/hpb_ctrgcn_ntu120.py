# Heatmap pooled features, bone stream.
_base_ = './hpj_ctrgcn_ntu120.py'

train_dataloader = val_dataloader = test_dataloader = _base_.hp.b
