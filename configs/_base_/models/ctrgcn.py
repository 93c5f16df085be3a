# Channels, people and classes are the benchmark's: see _base_/streams.
model = dict(
    type='RecognizerGCN',
    # casts to float32 on the device: float16 features travel at half the size
    data_preprocessor=dict(type='ActionDataPreprocessor'),
    backbone=dict(type='CTRGCN', graph='coco'),
    # 'score': dumps hold logits, which is what streams are fused from
    cls_head=dict(type='GCNHead', in_channels=256, average_clips='score'))
