# Table XIII: the whole frame in place of a detected person.
_base_ = '../../hpnet_smarthome_cs.py'

train_dataloader = val_dataloader = test_dataloader = dict(
    dataset=dict(data_root='data/smarthome_frame'))
