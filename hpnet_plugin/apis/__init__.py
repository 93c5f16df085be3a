"""Prediction in Python: what a program that uses the package imports.

The names of ``__all__`` are the public prediction interface, all of it. They
stay as they are within a version; a change is in CHANGELOG.md. The modules
behind them are private to the package.

- **Predict.** :class:`HPNetInferencer` says what people in videos, cameras
  and streams do; it gives a :class:`VideoResult` a video, made of
  :class:`Prediction` and :class:`Timeline` with its :class:`Segment`, and
  tells a program that watches of each frame (:class:`FrameView` with its
  :class:`PersonView`).
- **Frames.** :func:`open_media` opens whatever a user names, as
  :class:`Media` with its :class:`MediaInfo`.
- **Models.** :func:`load_trained` finds what was trained,
  :func:`save_pretrained` writes it into a folder of its own
  (:class:`Member`: a part of a fusion) and :func:`from_pretrained` reads
  that; each gives a :class:`Trained` with its :class:`ModelDescription`.
  :func:`write_calibration` keeps temperature and threshold.
- **Clips.** :func:`build_scorer` makes a model a :class:`Scorer`, a function
  of :class:`ClipInput`, arrays of joints and features; :class:`OnnxScorer`
  does so without torch.
- **Training.** :class:`CheckedRunner` is the runner of all configs;
  :func:`missing_inputs` says what a config lacks.
- **Deployment.** :func:`export_trained` writes ONNX files.
- **Errors**, all of them ``ValueError``: :class:`CheckpointError`,
  :class:`DescriptionError`, :class:`EstimatorError`, :class:`ExportError`,
  :class:`InputError`, :class:`SourceError`, :class:`TrainedError`,
  :class:`UnregisteredError`, :class:`VideoError`; and
  :class:`MissingInputError`, of the training.
"""
from ..lazy import lazy_names

__getattr__, __dir__ = lazy_names(__name__, {
    'description': ('DescriptionError', 'ModelDescription'),
    'estimators': ('EstimatorError', ),
    'export': ('export_trained', ),
    'inferencer': ('HPNetInferencer', ),
    'inputs': ('ClipInput', 'InputError'),
    'media': ('Media', 'MediaInfo'),
    'media_sources': ('open_media', ),
    'members': ('Member', ),
    'onnx_scorer': ('OnnxScorer', ),
    'registered': ('UnregisteredError', ),
    'results': ('Prediction', 'Segment', 'Timeline', 'VideoResult'),
    'saving': ('save_pretrained', 'write_calibration'),
    'scorers': ('Scorer', 'build_scorer'),
    'trained': ('Trained', 'TrainedError', 'from_pretrained',
                'load_trained'),
    'views': ('FrameView', 'PersonView'),
    '.datasets.clips': ('SourceError', ),
    '.estimation.video': ('VideoError', ),
    '.onnx_export': ('ExportError', ),
    '.recipes.inputs': ('MissingInputError', 'missing_inputs'),
    '.runner': ('CheckedRunner', ),
    '.weights': ('CheckpointError', ),
})
__all__ = [
    'CheckedRunner', 'CheckpointError', 'ClipInput', 'DescriptionError',
    'EstimatorError', 'ExportError', 'FrameView', 'HPNetInferencer',
    'InputError', 'Media', 'MediaInfo', 'Member', 'MissingInputError',
    'ModelDescription', 'OnnxScorer', 'PersonView', 'Prediction', 'Scorer',
    'Segment', 'SourceError', 'Timeline', 'Trained', 'TrainedError',
    'UnregisteredError', 'VideoError', 'VideoResult', 'build_scorer',
    'export_trained', 'from_pretrained', 'load_trained', 'missing_inputs',
    'open_media', 'save_pretrained', 'write_calibration']
