# Heatmap pooled features, joint motion stream.
_base_ = './hpj_ctrgcn_ntu120_xset.py'

train_dataloader = val_dataloader = test_dataloader = _base_.hp.jm
