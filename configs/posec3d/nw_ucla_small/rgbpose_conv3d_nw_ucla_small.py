# NW-UCLA in small: RGBPose-Conv3D on crops of 64 pixels, a quarter of the
# width, one block a stage, from scratch, 20 epochs, for a CPU.
_base_ = '../_base_/rgbpose.py'

model = dict(
    backbone=dict(
        rgb_pathway=dict(base_channels=16, stage_blocks=(1, 1, 1, 1)),
        pose_pathway=dict(base_channels=8, stage_blocks=(1, 1, 1))),
    cls_head=dict(num_classes=10, in_channels=[512, 128]))
smaller = {(256, 256): (72, 72), (224, 224): (64, 64)}


def small(pipeline):
    """Half the frames, a good quarter of the height and width."""
    first = dict(pipeline[0], clip_len=dict(RGB=4, Pose=16))
    return [first] + [
        dict(step, scale=smaller[step['scale']]) if 'scale' in step else step
        for step in pipeline[1:]]


loader = dict(num_workers=0, persistent_workers=False)
data = dict(data_root='data/nw_ucla')
train_dataloader = dict(
    batch_size=16,
    **loader,
    dataset=dict(
        **data,
        split='train',
        pipeline=small(_base_.train_dataloader.dataset.pipeline)))
val_dataloader = dict(
    **loader,
    dataset=dict(
        **data,
        split='test',
        pipeline=small(_base_.val_dataloader.dataset.pipeline)))
test_dataloader = dict(
    **loader,
    dataset=dict(
        **data,
        split='test',
        pipeline=small(_base_.test_dataloader.dataset.pipeline)))

train_cfg = dict(max_epochs=20, val_interval=10)
optim_wrapper = dict(optimizer=dict(lr=0.025))
auto_scale_lr = dict(base_batch_size=16)
load_from = None
