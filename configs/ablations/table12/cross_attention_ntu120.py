# Table XII: FPM + cross attention.
_base_ = './trmm_ntu120.py'

model = dict(cls_head=dict(fusion=dict(type='CrossAttentionFusion')))
