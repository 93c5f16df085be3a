# RTMPose-m: the fast choice on a CPU.
# Taps: backbone.stage3 is 384x16x12, backbone.stage2 192x32x24.
_base_ = 'mmpose::body_2d_keypoint/rtmpose/body8/rtmpose-m_8xb256-420e_body8-256x192.py'  # noqa: E501

load_from = 'https://download.openmmlab.com/mmpose/v1/projects/rtmposev1/rtmpose-m_simcc-body7_pt-body7_420e-256x192-e48f03d0_20230504.pth'  # noqa: E501
