# NTU RGB+D 120, cross-subject: 63,026 clips to train, 50,919 to test.
# One folder serves all protocols of a benchmark: its splits carry their name.
# xsub_train_full is the published training set; xsub_train leaves out the
# subjects of xsub_val, for choices that the test split must not make.
_base_ = './clips.py'

num_classes = 120
num_person = 2
clip_len = 64
# H2 of HRNet-W48; name one tap where the store has several
tap = 'backbone.stage4.0.branches.1'
in_channels = 96

train_dataloader = dict(
    dataset=dict(data_root='data/ntu120', split='xsub_train_full'))
val_dataloader = test_dataloader = dict(
    dataset=dict(data_root='data/ntu120', split='xsub_test'))
