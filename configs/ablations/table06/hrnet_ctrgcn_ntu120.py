# Table VI: features of HRNet with heatmaps, in a folder of their own.
_base_ = '../../streams/ntu120/hpj_ctrgcn_ntu120.py'

train_dataloader = val_dataloader = test_dataloader = dict(
    dataset=dict(data_root='data/ntu120_hrnet'))
