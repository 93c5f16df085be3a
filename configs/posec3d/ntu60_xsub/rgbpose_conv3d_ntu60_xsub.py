# NTU RGB+D 60, cross-subject: RGBPose-Conv3D on person crops.
_base_ = '../_base_/rgbpose.py'

train_dataloader = dict(
    dataset=dict(data_root='data/ntu60', split='xsub_train_full'))
val_dataloader = test_dataloader = dict(
    dataset=dict(data_root='data/ntu60', split='xsub_test'))
