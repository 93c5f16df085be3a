# UAV-Human, cross-subject 2.
_base_ = './uav_human_csv1.py'

train_dataloader = dict(dataset=dict(split='csv2_train_full'))
val_dataloader = test_dataloader = dict(dataset=dict(split='csv2_test'))
