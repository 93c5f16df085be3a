# NW-UCLA: ten actions of one person.
_base_ = './clips.py'

num_classes = 10
num_person = 1
clip_len = 32
# simplepose.onnx at stride 8
tap = 'hybridsequential0_relu4_fwd'
in_channels = 128

train_dataloader = dict(
    batch_size=16, num_workers=2, dataset=dict(data_root='data/nw_ucla'))
val_dataloader = test_dataloader = dict(
    num_workers=2, dataset=dict(data_root='data/nw_ucla'))
