# Table XII: FPM + TRMM, one topology model on the joints.
_base_ = '../../hpnet_ntu120.py'

model = dict(topology=dict(streams=('j', )))
