# NW-UCLA by an ONNX pose net of 0.57 M parameters, for nets of half the width
# on a CPU.
_base_ = './nw_ucla.py'

# H2, 32 x 24; H1, 64 x 48, is ..._relu6_fwd, H3, 16 x 12, ..._relu2_fwd; all
# have 128 channels
tap = 'hybridsequential0_relu4_fwd'
in_channels = 128
load = dict(type='LoadPooledFeature', tap=tap)
hp = dict(
    net=dict(in_channels=in_channels, base_channels=32),
    **{
        s: dict(
            dataset=dict(
                pipeline=[load, *_base_.hp[s].dataset.pipeline[1:]]))
        for s in ('j', 'b', 'jm', 'bm')
    })
pose = rgb = dict(net=dict(base_channels=32))
head = dict(in_channels=128)

# the store is mapped into memory: workers would only cost their start
loader = dict(num_workers=0, persistent_workers=False)
train_dataloader = dict(**loader, dataset=dict(split='train'))
val_dataloader = test_dataloader = dict(**loader, dataset=dict(split='test'))
