# The released code's streams, for any benchmark of configs/_base_/streams:
# ntu120, or what HPNET_BENCHMARK says.
_base_ = [
    '../../_base_/models/ctrgcn.py',
    '../../_base_/streams/{{$HPNET_BENCHMARK:ntu120}}.py',
    '../../_base_/schedules/sgd_65e.py'
]


def kind(channels, key, *load, **dataset):
    """What a net must know, and the data of each stream.

    Two people and 64 frames, whatever the benchmark; nothing is centred,
    scaled or augmented.
    """
    return dict(net=dict(in_channels=channels, num_person=2), **{
        s: dict(dataset=dict(**dataset, pipeline=[
            *load, dict(type='ResizeTemporal', length=64),
            dict(type='GenPooledStream', stream=s, key=key, pairs='released'),
            dict(type='FormatPooledInput', key=key, num_person=2),
            _base_.pack_inputs]))
        for s in ('j', 'b', 'jm', 'bm')})


# the store's only tap: 'released' of the authors' files, or H2 itself
hp = kind(96, 'pooled_feat', dict(type='LoadPooledFeature'),
          data_prefix=dict(video='features'))
# 2D pose in pixels of the frame
pose = kind(2, 'keypoint', dict(type='RequireJoints'))

model = dict(backbone=dict(graph='released'), cls_head=_base_.head)

# beside the folder of this package's own extraction
data_root = _base_.train_dataloader.dataset.data_root + '_released'
# Smarthome's subjects 19 and 25 are left out of training
split = _base_.train_dataloader.dataset.split.replace('cs_train_full',
                                                      'cs_train')
train_dataloader = dict(
    batch_size=64,
    drop_last=True,
    dataset=dict(data_root=data_root, split=split))
val_dataloader = test_dataloader = dict(
    batch_size=64, dataset=dict(data_root=data_root))
auto_scale_lr = dict(base_batch_size=64)
