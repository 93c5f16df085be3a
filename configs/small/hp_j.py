# Pooled features, joints, for hundreds of clips: statistics of the clip and a
# linear layer.
_base_ = '../stream.py'
stream = 'hp_j'
size = 'small'
net = 'linear'
methods = 'squares'
