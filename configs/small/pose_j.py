# 2D pose, joints, for hundreds of clips.
_base_ = '../stream.py'
stream = 'pose_j'
size = 'small'
