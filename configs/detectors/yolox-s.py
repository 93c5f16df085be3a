# YOLOX-s of mmdet, trained on COCO's 80 classes.
_base_ = 'mmdet::yolox/yolox_s_8xb8-300e_coco.py'

load_from = 'https://download.openmmlab.com/mmdetection/v2.0/yolox/yolox_s_8x8_300e_coco/yolox_s_8x8_300e_coco_20211121_095711-4592a793.pth'  # noqa: E501
