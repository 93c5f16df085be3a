# PoseC3D, the toolbox's own, on the dataset folders of tools/extract.py. Here
# are the kinds of volumes: a config takes joints as it is, or say limb.train.
_base_ = 'mmaction::skeleton/posec3d/slowonly_r50_8xb16-u48-240e_ntu60-xsub-keypoint.py'  # noqa: E501

custom_imports = dict(imports=['hpnet_plugin'], allow_failed_imports=False)
runner_type = 'CheckedRunner'  # the Runner; says what is missing, first

# 'score': dumps hold logits, as those of the streams do
model = dict(cls_head=dict(average_clips='score'))

# the toolbox's limb config, beside its keypoint config
limbs = dict(
    with_kp=False,
    with_limb=True,
    skeletons=[[0, 5], [0, 6], [5, 7], [7, 9], [6, 8], [8, 10], [5, 11],
               [11, 13], [13, 15], [6, 12], [12, 14], [14, 16], [0, 1],
               [0, 2], [1, 3], [2, 4], [11, 12]],
    left_limb=[0, 2, 3, 6, 7, 8, 12, 14],
    right_limb=[1, 4, 5, 9, 10, 11, 13, 15])
pack = dict(type='PackActionInputs', meta_keys=('frame_dir', 'img_shape'))


def joint_step(step):
    return [step]


def limb_step(step):
    drawn = step['type'] == 'GeneratePoseTarget'
    return [dict(step, **limbs) if drawn else step]


def heatmap_step(step):
    """What the pose net saw; see GenerateHeatmapVolume."""
    if step['type'] == 'UniformSampleFrames':
        return [step, dict(type='LoadPooledFeature',
                           tap=['heatmap', 'heatmap_scale'])]
    if step['type'] != 'GeneratePoseTarget':
        return [step]
    keys = ('double', 'left_kp', 'right_kp')
    return [dict(type='GenerateHeatmapVolume',
                 **{k: step[k] for k in keys if k in step})]


def half(step):
    """Half the frames, half the height and width."""
    step = dict(step)
    for key in {'clip_len', 'crop_size'} & {*step}:
        step[key] //= 2
    if step['type'] == 'Resize':
        step['scale'] = tuple(n // 2 if n > 0 else n for n in step['scale'])
    return step


def volumes(change, steps, **dataset):
    """Datasets of training, validation (1 clip) and test (10 clips)."""
    pipelines = dict(train=_base_.train_pipeline, val=_base_.val_pipeline,
                     test=_base_.test_pipeline)
    return {
        phase: dict(**dataset, pipeline=[
            *(change(new) for old in pipeline[:-1] for new in steps(old)),
            pack])
        for phase, pipeline in pipelines.items()
    }


joint = volumes(dict, joint_step)
limb = volumes(dict, limb_step)
heatmap = volumes(dict, heatmap_step, data_prefix=dict(video='features'))
half_joint = volumes(half, joint_step)
half_limb = volumes(half, limb_step)
half_heatmap = volumes(
    half, heatmap_step, data_prefix=dict(video='features'))

folder = dict(ann_file='annotations.pkl')
train_dataloader = dict(dataset=dict(dataset=dict(**folder, **joint['train'])))
val_dataloader = dict(dataset=dict(**folder, **joint['val']))
test_dataloader = dict(dataset=dict(**folder, **joint['test']))

# The last epoch counts: stock save_best would choose it on the test split.
default_hooks = dict(
    checkpoint=dict(interval=1, max_keep_ckpts=2, save_best=None))
auto_scale_lr = dict(enable=False, base_batch_size=128)
