# Stock ST-GCN++: ST-GCN with an adaptive graph and several scales of time.
_base_ = './stgcn.py'

model = dict(
    backbone=dict(
        graph_cfg=dict(mode='spatial'),
        gcn_adaptive='init',
        gcn_with_res=True,
        tcn_type='mstcn'))
