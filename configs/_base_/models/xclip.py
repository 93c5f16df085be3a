# Text + RGB: X-CLIP without its prompts. Class names and their number are the
# benchmark's.
arch = 'ViT-B-16'
num_frames = 8

model = dict(
    type='XCLIPRecognizer',
    data_preprocessor=dict(
        type='HPNetDataPreprocessor',
        preprocessors=dict(
            imgs=dict(
                type='ActionDataPreprocessor',
                mean=[123.675, 116.28, 103.53],
                std=[58.395, 57.12, 57.375],
                format_shape='NCHW')),
        blending=dict(type='MixupCutmix')),
    backbone=dict(type='XCLIPVision', arch=arch, num_frames=num_frames),
    text=dict(type='CLIPText', arch=arch),
    cls_head=dict(type='TRMMHead'))

# graph networks normalise over the batches of all GPUs
sync_bn = 'torch'
