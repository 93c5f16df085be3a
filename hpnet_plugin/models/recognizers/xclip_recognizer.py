"""The whole HP-Net: video, class names and pooled features."""
from __future__ import annotations

from mmaction.models.recognizers import BaseRecognizer
from mmaction.registry import MODELS
from torch import Tensor

from ..backbones.smclm import StreamFeatures
from ..clip.vision import XCLIPVision
from ..heads.trmm_head import HPNetScores
from ..sizes import refuse_other_sizes


@MODELS.register_module()
class XCLIPRecognizer(BaseRecognizer):
    """Match clips with class names, refined by heatmap pooled features.

    Person-centred frames go through X-CLIP's video tower, class names
    through CLIP's text tower, pooled features through the topology models;
    the head refines the text by the latter and matches it with the video
    (Eq. 11). Without ``topology`` it is the text + RGB baseline of Table XII,
    with ``prompts`` X-CLIP itself.

    Args:
        backbone: Config of the video tower, :class:`XCLIPVision`.
        text: Config of the text tower, :class:`CLIPText`; its class names are
            the classes.
        cls_head: Config of :class:`TRMMHead`; channels and streams are those
            of the parts.
        topology: Config of :class:`SMCLM`.
        prompts: Config of X-CLIP's :class:`VideoPrompts`.
        data_preprocessor: Config of :class:`HPNetDataPreprocessor`.
        train_cfg: Not used.
        test_cfg: Not used.

    Raises:
        ValueError: If class names and ``num_classes`` of the head disagree.
    """

    # pyrefly: ignore[bad-override-mutable-attribute]  one kind of many
    backbone: XCLIPVision

    def __init__(self,
                 backbone: dict,
                 text: dict,
                 cls_head: dict,
                 topology: dict | None = None,
                 prompts: dict | None = None,
                 data_preprocessor: dict | None = None,
                 train_cfg: dict | None = None,
                 test_cfg: dict | None = None) -> None:
        super().__init__(
            backbone,
            data_preprocessor=data_preprocessor,
            train_cfg=train_cfg,
            test_cfg=test_cfg)
        self.text = MODELS.build(text)
        channels = self.backbone.embed_dim
        if self.text.embed_dim != channels:
            raise ValueError(
                f'the text tower gives {self.text.embed_dim} channels, the '
                f'video tower {channels}: both need one arch')
        classes = len(self.text.classes)
        if classes != cls_head['num_classes']:
            raise ValueError(
                f'num_classes of cls_head is {cls_head["num_classes"]}, the '
                f'text tower has {classes} class names, '
                f'{self.text.classes[0]!r} to {self.text.classes[-1]!r}: set '
                'model.cls_head.num_classes or model.text.classes')
        parts = dict(text_channels=channels)
        self.topology = self.prompts = None
        if topology is not None:
            self.topology = MODELS.build(topology)
            parts.update(
                feat_channels=self.topology.feat_channels,
                streams=self.topology.names)
        if prompts is not None:
            self.prompts = MODELS.build(
                dict(embed_dim=channels, width=self.backbone.width, **prompts))
        self.cls_head = MODELS.build(dict(parts, **cls_head))
        # other classes, other classifiers; another number of frames is fitted
        refuse_other_sizes(self, ('cls_head.classifiers.', ),
                           ('backbone.mit.positional_embedding', ))

    # pyrefly: ignore[bad-override]  the toolbox has one modality
    def extract_feat(
            self, inputs: Tensor | dict[str, Tensor], **kwargs: object
    ) -> tuple[tuple[Tensor, Tensor, StreamFeatures | None], dict]:
        """Features of the three modalities.

        Args:
            inputs: ``imgs`` (B, views * T, 3, H, W) and, with a topology,
                ``pooled_feat`` (B, 1, M, T', V, C).
            **kwargs: Not used.

        Returns:
            What :class:`TRMMHead` takes, of B' = B * views clips: video
            (B', C), text (K, C) or (B', K, C), and StreamFeatures or None;
            and an empty dict.

        Raises:
            KeyError: If a modality is missing.
            ValueError: If the frames are no multiple of T, or a clip has
                several stretches of pooled features.
        """
        imgs = self._modality(inputs, 'imgs')
        frames = self.backbone.num_frames
        if imgs.shape[1] % frames:
            raise ValueError(
                f'a clip has {imgs.shape[1]} images, the video tower takes '
                f'{frames} a view: num_frames of LoadPersonCrops must be '
                'that of the backbone')
        views = imgs.shape[1] // frames
        video = self.backbone(imgs.reshape(-1, frames, *imgs.shape[2:]),
                              patches=self.prompts is not None)
        text = self.text()
        if self.prompts is not None:
            text = self.prompts(text, video)
        features = None
        if self.topology is not None:
            feat = self._modality(inputs, 'pooled_feat')
            if feat.shape[1] != 1:
                raise ValueError(
                    f'pooled_feat has {feat.shape[1]} stretches a clip, one '
                    'is expected: use ResizeTemporal, no sampling')
            features = self.topology(feat[:, 0])
            if views > 1:
                features = features.repeat_clips(views)
        return (video.video, text, features), {}

    # pyrefly: ignore[bad-override]  likewise
    def _forward(self, inputs: Tensor | dict[str, Tensor],
                 stage: str = 'backbone', **kwargs: object) -> HPNetScores:
        """Logits of B * views clips, without post-processing."""
        return self.cls_head(self.extract_feat(inputs)[0])

    @staticmethod
    def _modality(inputs: Tensor | dict[str, Tensor], key: str) -> Tensor:
        if not isinstance(inputs, dict) or key not in inputs:
            have = sorted(inputs) if isinstance(inputs, dict) else \
                f'a {type(inputs).__name__}'
            raise KeyError(
                f'XCLIPRecognizer needs {key} in its inputs, which have '
                f"{have}: PackActionInputs(collect_keys=('imgs', "
                "'pooled_feat'))")
        return inputs[key]
