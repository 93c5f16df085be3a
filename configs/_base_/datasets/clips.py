# What the dataset folders of tools/extract.py have in common. PooledDataset is
# PoseDataset, but no process holds the joints of all clips.
train_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='PooledDataset', ann_file='annotations.pkl', split='train'))
test_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='PooledDataset',
        ann_file='annotations.pkl',
        split='test',
        test_mode=True))
# For the curves only: nothing is chosen by it.
val_dataloader = test_dataloader

# top-1, top-5, and the mean accuracy of the classes that occur
top_k = dict(type='LabelledAccMetric', metric_list=('top_k_accuracy', ))
val_evaluator = [top_k, dict(type='PerClassAccuracy', table=False)]
test_evaluator = [top_k, dict(type='PerClassAccuracy')]
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

# frame_dir, the clip's name, goes into the dumps: scores are joined by it
pack_inputs = dict(
    type='PackActionInputs', meta_keys=('frame_dir', 'img_shape'))
