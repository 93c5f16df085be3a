# YOLOX-x of mmdet, trained on COCO's 80 classes.
_base_ = 'mmdet::yolox/yolox_x_8xb8-300e_coco.py'

load_from = 'https://download.openmmlab.com/mmdetection/v2.0/yolox/yolox_x_8x8_300e_coco/yolox_x_8x8_300e_coco_20211126_140254-1ef88d67.pth'  # noqa: E501
