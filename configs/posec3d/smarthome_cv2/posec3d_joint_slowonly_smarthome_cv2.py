# Toyota-Smarthome, cross-view 2: joint volumes.
_base_ = '../smarthome_cv1/posec3d_joint_slowonly_smarthome_cv1.py'

train_dataloader = dict(dataset=dict(dataset=dict(split='cv2_train_full')))
val_dataloader = test_dataloader = dict(dataset=dict(split='cv2_test'))
