# Table XII: FPM + FiLM.
_base_ = './trmm_ntu120.py'

model = dict(cls_head=dict(fusion=dict(type='FiLM')))
