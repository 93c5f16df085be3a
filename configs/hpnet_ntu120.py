# Entry point of HP-Net on NTU RGB+D 120, cross-subject. It trains what this
# version has of it: topology modelling of the pooled features (Sec. III-B),
# the joint stream (HPJ). The streams beside it are in configs/streams/ntu120.
_base_ = './streams/ntu120/hpj_ctrgcn_ntu120.py'
