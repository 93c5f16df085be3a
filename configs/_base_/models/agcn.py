# Stock 2s-AGCN, one of its two streams: AAGCN without attention.
_base_ = './stgcn.py'

model = dict(
    backbone=dict(
        type='AAGCN', graph_cfg=dict(mode='spatial'), gcn_attention=False))
