# NTU RGB+D 120, cross-subject: 63,026 clips to train, 50,919 to test.
_base_ = './clips.py'

num_classes = 120
num_person = 2
clip_len = 64
# The store's only tap: H2 of HRNet-W48, backbone.stage4.0.branches.1
tap = None
in_channels = 96

train_dataloader = val_dataloader = test_dataloader = dict(
    dataset=dict(data_root='data/ntu120'))
