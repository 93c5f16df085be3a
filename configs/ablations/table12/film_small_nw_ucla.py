# Table XII in small: FPM + FiLM.
_base_ = './trmm_small_nw_ucla.py'

model = dict(cls_head=dict(fusion=dict(type='FiLM')))
