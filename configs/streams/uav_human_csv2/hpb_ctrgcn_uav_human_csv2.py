# Heatmap pooled features, bone stream.
_base_ = './hpj_ctrgcn_uav_human_csv2.py'

train_dataloader = val_dataloader = test_dataloader = _base_.hp.b
