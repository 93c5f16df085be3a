# UCF101, split 1; splits 2 and 3 are in the same folder.
_base_ = './ntu120.py'

num_classes = 101
head = dict(num_classes=num_classes, init_cfg=dict(std=(2 / num_classes)**0.5))
train_dataloader = dict(
    dataset=dict(data_root='data/ucf101', split='split1_train_full'))
val_dataloader = test_dataloader = dict(
    dataset=dict(data_root='data/ucf101', split='split1_test'))
