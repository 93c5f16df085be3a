# Channels, people and classes are the benchmark's: see _base_/streams.
model = dict(
    type='RecognizerGCN',
    # casts to float32 on the device: float16 features travel at half the size
    data_preprocessor=dict(type='ActionDataPreprocessor'),
    # 80 is the published width
    backbone=dict(type='SkeletonMixFormer', graph='coco', base_channels=80),
    # 'score': dumps hold logits, which is what streams are fused from
    cls_head=dict(type='GCNHead', in_channels=320, average_clips='score'))
