# Table XII: FPM + TRMM, one topology model on the joints.
_base_ = '../../hpnet_nw_ucla_small.py'

model = dict(topology=dict(streams=('j', )))
