# Toyota-Smarthome, cross-view 2: limb volumes.
_base_ = './posec3d_joint_slowonly_smarthome_cv2.py'

train_dataloader = dict(dataset=dict(dataset=_base_.limb.train))
val_dataloader = dict(dataset=_base_.limb.val)
test_dataloader = dict(dataset=_base_.limb.test)
