# Pooled features and 2D pose in one network, joints, for hundreds of clips.
_base_ = '../stream.py'
stream = 'hp+pose_j'
size = 'small'
