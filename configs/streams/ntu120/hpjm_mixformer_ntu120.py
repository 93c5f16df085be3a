# Heatmap pooled features, joint motion stream.
_base_ = './hpj_mixformer_ntu120.py'

train_dataloader = val_dataloader = test_dataloader = _base_.hp.jm
