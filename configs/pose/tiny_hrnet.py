# A tiny HRNet for the people of `make demo`, trained by
# tools/train_tiny_pose.py; in mmpose's style, so that
# mmpose.apis.init_model(config, checkpoint) loads it.
default_scope = 'mmpose'

codec = dict(
    type='MSRAHeatmap', input_size=(96, 128), heatmap_size=(24, 32), sigma=1.5)

model = dict(
    type='TopdownPoseEstimator',
    data_preprocessor=dict(
        type='PoseDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True),
    backbone=dict(
        type='HRNet',
        in_channels=3,
        extra=dict(
            stage1=dict(
                num_modules=1,
                num_branches=1,
                block='BOTTLENECK',
                num_blocks=(1, ),
                num_channels=(16, )),
            stage2=dict(
                num_modules=1,
                num_branches=2,
                block='BASIC',
                num_blocks=(1, 1),
                num_channels=(16, 32)),
            stage3=dict(
                num_modules=1,
                num_branches=3,
                block='BASIC',
                num_blocks=(1, 1, 1),
                num_channels=(16, 32, 48)),
            stage4=dict(
                num_modules=1,
                num_branches=4,
                block='BASIC',
                num_blocks=(1, 1, 1, 1),
                num_channels=(16, 32, 48, 64)))),
    head=dict(
        type='HeatmapHead',
        in_channels=16,
        out_channels=17,
        deconv_out_channels=None,
        # the weight lifts the gradients well above Adam's epsilon
        loss=dict(
            type='KeypointMSELoss', use_target_weight=True, loss_weight=100.),
        decoder=codec),
    test_cfg=dict(flip_test=False))

test_pipeline = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale', padding=1.25),
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='PackPoseInputs')
]
# init_model reads the dataset's class for the names and pairs of the joints
train_dataloader = dict(dataset=dict(type='CocoDataset'))
test_dataloader = dict(
    dataset=dict(
        type='CocoDataset', data_mode='topdown', pipeline=test_pipeline))
