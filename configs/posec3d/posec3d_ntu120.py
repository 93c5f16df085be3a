# Stock PoseC3D (keypoint) on a dataset folder of tools/extract.py.
_base_ = 'mmaction::skeleton/posec3d/slowonly_r50_8xb16-u48-240e_ntu60-xsub-keypoint.py'  # noqa: E501

custom_imports = dict(imports=['hpnet_plugin'], allow_failed_imports=False)

# 'score': dumps hold logits, as those of the streams do
model = dict(cls_head=dict(num_classes=120, average_clips='score'))

data_root = 'data/ntu120'
ann_file = 'annotations.pkl'
pack = dict(type='PackActionInputs', meta_keys=('frame_dir', 'img_shape'))
train_dataloader = dict(
    dataset=dict(
        dataset=dict(
            data_root=data_root,
            ann_file=ann_file,
            split='xsub_train_full',
            pipeline=[*_base_.train_pipeline[:-1], pack])))
val_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        ann_file=ann_file,
        split='xsub_test',
        pipeline=[*_base_.val_pipeline[:-1], pack]))
test_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        ann_file=ann_file,
        split='xsub_test',
        pipeline=[*_base_.test_pipeline[:-1], pack]))

# The last epoch counts: stock save_best would choose it on the test split.
default_hooks = dict(
    checkpoint=dict(interval=1, max_keep_ckpts=2, save_best=None))
auto_scale_lr = dict(enable=False, base_batch_size=128)
