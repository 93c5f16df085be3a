# Pooled features and 2D pose together, joints, for hundreds of clips.
_base_ = '../stream.py'
stream = 'hp+pose_j'
size = 'small'
net = 'linear'
methods = 'squares'
