# HRNet-W48 with SimCC head, the pose net of the paper; split ratio 2.
# mmpose publishes no weights for it: give --checkpoint. The taps are those of
# hrnet-w48_coco-256x192.py.
_base_ = 'hrnet-w48_coco-256x192.py'

load_from = None
codec = dict(
    _delete_=True,
    type='SimCCLabel',
    input_size=(192, 256),
    sigma=4.0,
    simcc_split_ratio=2.0)
model = dict(
    head=dict(
        _delete_=True,
        type='SimCCHead',
        in_channels=48,
        out_channels=17,
        input_size=codec['input_size'],
        in_featuremap_size=(48, 64),
        simcc_split_ratio=codec['simcc_split_ratio'],
        deconv_out_channels=None,
        loss=dict(type='KLDiscretLoss', use_target_weight=True),
        decoder=dict(
            type='SimCCLabel',
            input_size=codec['input_size'],
            sigma=codec['sigma'],
            simcc_split_ratio=codec['simcc_split_ratio'])),
    test_cfg=dict(_delete_=True, flip_test=True))
