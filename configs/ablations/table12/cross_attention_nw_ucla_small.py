# Table XII: FPM + cross attention.
_base_ = './trmm_nw_ucla_small.py'

model = dict(cls_head=dict(fusion=dict(type='CrossAttentionFusion')))
