# HP-Net: joint, bone and motion streams refine the text of X-CLIP. Channels
# and people are the benchmark's.
_base_ = './xclip.py'

model = dict(
    data_preprocessor=dict(
        # casts to float32 on the device
        preprocessors=dict(pooled_feat=dict(type='ActionDataPreprocessor'))),
    topology=dict(
        type='SMCLM',
        streams=('j', 'b', 'jm'),
        model=dict(type='CTRGCN', graph='coco')),
    cls_head=dict(fusion=dict(type='TRMM'), lambdas=1.))
