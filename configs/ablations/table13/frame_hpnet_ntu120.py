# Table XIII: the whole frame in place of a detected person.
_base_ = '../../hpnet_ntu120.py'

train_dataloader = val_dataloader = test_dataloader = dict(
    dataset=dict(data_root='data/ntu120_frame'))
