# NW-UCLA: ten actions of one person.
_base_ = './clips.py'

num_classes = 10
num_person = 1
clip_len = 32
# H2 of HRNet-W48; name one tap where the store has several
tap = 'backbone.stage4.0.branches.1'
in_channels = 96

train_dataloader = dict(
    batch_size=16, num_workers=2, dataset=dict(data_root='data/nw_ucla'))
val_dataloader = test_dataloader = dict(
    num_workers=2, dataset=dict(data_root='data/nw_ucla'))
