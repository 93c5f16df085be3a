# RTMDet-tiny of mmdet, trained on COCO's 80 classes.
_base_ = 'mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py'

load_from = 'https://download.openmmlab.com/mmdetection/v3.0/rtmdet/rtmdet_tiny_8xb32-300e_coco/rtmdet_tiny_8xb32-300e_coco_20220902_112414-78e30dcc.pth'  # noqa: E501
model = dict(backbone=dict(init_cfg=None))
