# Pooled features, joints, for hundreds of clips.
_base_ = '../stream.py'
stream = 'hp_j'
size = 'small'
