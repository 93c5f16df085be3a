# Toyota-Smarthome, cross-view 1: 19 classes, so that labels differ from those
# of CS: a dataset folder of its own (features/ and crops/ may be links).
_base_ = './hpnet_ntu120.py'

model = dict(
    text=dict(classes='smarthome_cv'),
    data_preprocessor=dict(blending=dict(num_classes=19)),
    cls_head=dict(num_classes=19))
train_dataloader = dict(
    dataset=dict(data_root='data/smarthome_cv', split='cv1_train_full'))
val_dataloader = test_dataloader = dict(
    dataset=dict(data_root='data/smarthome_cv', split='cv1_test'))
