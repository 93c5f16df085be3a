# Table XII in small: FPM + TRMM, one topology model on the joints.
_base_ = './hpnet_small_nw_ucla.py'

model = dict(topology=dict(streams=('j', )))
