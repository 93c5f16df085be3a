# NW-UCLA, cross-view: the kinds of ntu120.py for one person and 32 frames.
_base_ = './ntu120.py'

num_classes = 10
num_person = 1
clip_len = 32

head = dict(num_classes=num_classes, init_cfg=dict(std=(2 / num_classes)**0.5))
changes = dict(
    ResizeTemporal=dict(length=clip_len),
    FormatPooledInput=dict(num_person=num_person))


def fitted(kind):
    """The same with these changes."""
    return dict(net=dict(num_person=num_person), **{
        s: dict(dataset=dict(pipeline=[
            dict(step, **changes.get(step.type, {}))
            for step in kind[s].dataset.pipeline]))
        for s in kind if s != 'net'})


hp = fitted(_base_.hp)
simcc = fitted(_base_.simcc)
rgb = fitted(_base_.rgb)
pose = fitted(_base_.pose)
pose3d = fitted(_base_.pose3d)  # of other joints: see nw_ucla_3d.py

train_dataloader = dict(
    batch_size=16,
    num_workers=2,
    dataset=dict(data_root='data/nw_ucla', split='xview_train_full'))
val_dataloader = test_dataloader = dict(
    num_workers=2,
    dataset=dict(data_root='data/nw_ucla', split='xview_test'))
