# Table XIV: lambda 1, 2 and 3 of 0.1; hpnet_ntu120.py has 1.
_base_ = '../../hpnet_ntu120.py'

model = dict(cls_head=dict(lambdas=0.1))
