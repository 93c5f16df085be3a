# RGBPose-Conv3D, the toolbox's own, on the crops of tools/extract.py --crops.
_base_ = 'mmaction::skeleton/posec3d/rgbpose_conv3d/rgbpose_conv3d.py'

custom_imports = dict(imports=['hpnet_plugin'], allow_failed_imports=False)
runner_type = 'CheckedRunner'  # the Runner; says what is missing, first

# 'score': dumps hold logits, as those of the streams do
model = dict(cls_head=dict(average_clips='score'))

pack = dict(
    type='PackActionInputs',
    collect_keys=('imgs', 'heatmap_imgs'),
    meta_keys=('frame_dir', 'img_shape'))


def on_crops(pipeline):
    """The toolbox's steps, which would open the original videos."""
    steps = [dict(type='MMDecodeCrops') if step['type'] == 'MMDecode' else step
             for step in pipeline[:-1]]
    return [*steps, pack]


data = dict(ann_file='annotations.pkl', data_prefix=dict(video='crops'))
train_dataloader = dict(
    dataset=dict(**data, pipeline=on_crops(_base_.train_pipeline)))
val_dataloader = dict(
    dataset=dict(**data, pipeline=on_crops(_base_.val_pipeline)))
test_dataloader = dict(
    dataset=dict(**data, pipeline=on_crops(_base_.test_pipeline)))

# The last epoch counts: stock save_best would choose it on the test split.
default_hooks = dict(
    checkpoint=dict(interval=1, max_keep_ckpts=2, save_best=None))
