# NTU RGB+D 120, cross-subject; HPNET_DATA says where data/ is.
data_root = '{{$HPNET_DATA:data}}/ntu120_xsub'

dataset = dict(type='PoseDataset', ann_file=f'{data_root}/annotations.pkl')
load_features = [
    dict(type='LoadPooledFeature', store=f'{data_root}/features'),
    dict(type='ResizeTemporal', length=64),
]
load_pose = [
    dict(type='NormalizeKeypoint'),
    dict(type='ResizeTemporal', length=64),
]
pack_features = [
    dict(type='FormatPooledInput', num_person=2),
    dict(type='PackActionInputs', meta_keys=('frame_dir', 'img_shape')),
]
pack_pose = [
    dict(type='FormatPooledInput', num_person=2, key='keypoint', pad='zero'),
    dict(type='PackActionInputs', meta_keys=('frame_dir', 'img_shape')),
]

train_dataloader = dict(
    batch_size=64,
    num_workers=8,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(**dataset, split='train'))
val_dataloader = dict(
    batch_size=64,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**dataset, split='test', test_mode=True))
test_dataloader = val_dataloader

val_evaluator = dict(
    type='AccMetric',
    metric_list=('top_k_accuracy', 'mean_class_accuracy'))
test_evaluator = val_evaluator
