# The released code: the recogniser, for any benchmark that has a config
# hpnet_*: ntu120, or what HPNET_BENCHMARK says.
_base_ = '../hpnet_{{$HPNET_BENCHMARK:ntu120}}.py'

work_dir = 'work_dirs/hpnet_released_{{$HPNET_BENCHMARK:ntu120}}'
model = dict(
    data_preprocessor=dict(blending=dict(mix=('rgb', ))),
    topology=dict(
        streams=('jm', 'jm', 'b'),
        graph='released',
        model=dict(graph='released', num_person=2)),
    cls_head=dict(
        fusion=dict(eta='text', mlp='released', init='released'),
        average_clips='prob'))  # dumps are fused as probabilities
# each GPU normalises over its own four clips
sync_bn = None

# the store's only tap: 'released' of the authors' files, or H2 itself
features = dict(type='LoadPooledFeature')
augment = [
    dict(type='FlipJoints', keys=('imgs', )),
    dict(  # colours of most clips, drawn anew for each image
        type='RandomApply',
        prob=0.8,
        transforms=[
            dict(type='EachImage', transforms=_base_.augment[1].transforms)
        ]),
    _base_.augment[2]
]
fixed = dict(
    ResizeTemporal=dict(length=64), FormatPooledInput=dict(num_person=2))
pack = [dict(step, **fixed.get(step.type, {})) for step in _base_.pack]

# beside the folder of this package's own extraction
data_root = _base_.train_dataloader.dataset.data_root + '_released'
# Smarthome's subjects 19 and 25 are left out of training
split = _base_.train_dataloader.dataset.split.replace('cs_train_full',
                                                      'cs_train')
# 4 clips a step, which are blended with each other; 64 an update. Four GPUs
# gather 4 steps: optim_wrapper.accumulative_counts=4
train_dataloader = dict(
    batch_size=4,
    drop_last=True,
    dataset=dict(
        data_root=data_root,
        split=split,
        pipeline=[_base_.crops, features, *augment, *pack]))
val_dataloader = test_dataloader = dict(
    dataset=dict(
        data_root=data_root, pipeline=[_base_.middle, features, *pack]))
optim_wrapper = dict(
    constructor='FlatDecayFree', accumulative_counts=16)
auto_scale_lr = dict(base_batch_size=4)
