# Table XII in small: FPM + cross attention.
_base_ = './trmm_small_nw_ucla.py'

model = dict(cls_head=dict(fusion=dict(type='CrossAttentionFusion')))
