# Heatmap pooled features, bone motion stream.
_base_ = './hpj_ctrgcn_smarthome_cs.py'

train_dataloader = val_dataloader = test_dataloader = _base_.hp.bm
