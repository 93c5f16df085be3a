# Kinds of streams for NTU RGB+D 120, cross-subject. A config takes one, say
# hp.b, and joins it to a net and a schedule.
_base_ = ['../datasets/ntu120.py', '../default_runtime.py']

head = dict(
    num_classes=_base_.num_classes,
    init_cfg=dict(
        type='Normal', layer='Linear', std=(2 / _base_.num_classes)**0.5))


def kind(channels, load, key, streams=('j', 'b', 'jm', 'bm'), joints='coco',
         **dataset):
    """What a net must know, and the data of each stream."""
    resize = dict(type='ResizeTemporal', length=_base_.clip_len)
    people = dict(num_person=_base_.num_person)
    pack = [dict(type='FormatPooledInput', key=key, **people),
            _base_.pack_inputs]
    net = dict(in_channels=channels, **people)
    if joints != 'coco':
        net.update(graph=joints)
    return dict(net=net, **{
        s: dict(dataset=dict(**dataset, pipeline=[
            load, resize,
            dict(type='GenPooledStream', stream=s, key=key, pairs=joints),
            *pack]))
        for s in streams})


def pooled(channels, tap, *streams):
    """What the feature store holds of each joint."""
    load = dict(type='LoadPooledFeature', tap=tap)
    return kind(channels, load, 'pooled_feat', *streams,
                data_prefix=dict(video='features'))


hp = pooled(_base_.in_channels, _base_.tap)
simcc = pooled(384 + 512, 'coordinates', 'j')  # bins of x, bins of y
rgb = pooled(5 * 5 * 3, 'rgb', 'j')
pose = kind(2, dict(type='NormalizeKeypoint'), 'keypoint')
# Kinect's 25 joints, a file of the same folder; the store has none of them
pose3d = kind(
    3, dict(type='PreNormalize3D'), 'keypoint', joints='nturgb+d',
    type='PoseDataset', ann_file='annotations_3d.pkl')
