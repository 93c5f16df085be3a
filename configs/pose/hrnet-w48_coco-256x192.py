# HRNet-W48 with heatmap head (Tables III and VI), 75.6 AP on COCO val.
# Taps: H1 backbone.stage4.2.relu is 48x64x48,
#       H2 backbone.stage4.0.branches.1 is 96x32x24 (the paper's),
#       H3 backbone.stage4.0.branches.2 is 192x16x12.
_base_ = 'mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_hrnet-w48_8xb32-210e_coco-256x192.py'  # noqa: E501

load_from = 'https://download.openmmlab.com/mmpose/v1/body_2d_keypoint/topdown_heatmap/coco/td-hm_hrnet-w48_8xb32-210e_coco-256x192-0e67c616_20220913.pth'  # noqa: E501
