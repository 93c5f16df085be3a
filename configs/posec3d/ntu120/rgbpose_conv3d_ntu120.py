# NTU RGB+D 120, cross-subject: RGBPose-Conv3D on person crops. It starts, as
# on NTU 60, from Kinetics (RGB) and NTU 60 (pose), whose training subjects
# train here as well.
_base_ = '../_base_/rgbpose.py'

model = dict(cls_head=dict(num_classes=120))
train_dataloader = dict(
    dataset=dict(data_root='data/ntu120', split='xsub_train_full'))
val_dataloader = test_dataloader = dict(
    dataset=dict(data_root='data/ntu120', split='xsub_test'))
