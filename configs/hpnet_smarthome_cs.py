# Toyota-Smarthome, cross-subject: 31 classes.
_base_ = './hpnet_ntu120.py'

model = dict(
    text=dict(classes='smarthome_cs'),
    data_preprocessor=dict(blending=dict(num_classes=31)),
    cls_head=dict(num_classes=31))
train_dataloader = dict(
    dataset=dict(data_root='data/smarthome', split='cs_train_full'))
val_dataloader = test_dataloader = dict(
    dataset=dict(data_root='data/smarthome', split='cs_test'))
