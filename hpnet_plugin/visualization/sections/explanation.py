"""What moved the scores of a clip, as a section."""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...evaluation.metrics import names_or_numbers
from ..explain import explanation_figures
from ..report import Picture, Section

if TYPE_CHECKING:
    from ...apis.explain import Explanation


def explanation_section(
        clip: str, parts: Sequence[tuple[str, Explanation | str,
                                         Sequence[str] | None, float]]
        ) -> Section:
    """What moved the scores of a clip.

    Args:
        clip: Its name.
        parts: Of each model its name, its ``Explanation`` or why there is
            none, its class names (None where there are none), and the length
            of the clip in s, 0 where it is not known.

    Returns:
        The figures of
        :func:`hpnet_plugin.visualization.explain.explanation_figures`.
    """
    captions = dict(
        activation='What each joint at each time gives to the logit of the '
        'predicted class, in the last map of the graph network: orange '
        'raises it, purple lowers it. In a stream of bones a joint stands '
        'for the bone that ends in it. Streams of HP-Net have classifiers of '
        'their own.',
        joints='The same, added over time and people.',
        text='Class names of HP-Net: their logits with the text as it is and '
        'as TRMM refined it by this clip, how far the text was turned, and '
        'how long psi and eta are.',
        hidden='What the logit of HP-Net loses when the pooled features of a '
        'joint are hidden.')
    texts, pictures = [], []
    for name, explanation, classes, duration in parts:
        if isinstance(explanation, str):
            texts.append(f'{name}: {explanation}')
            continue
        names = names_or_numbers(classes, len(explanation.scores))
        said = f'{name} predicts {names[int(explanation.scores.argmax())]}'
        if explanation.label >= 0:
            said += f', the label is {names[explanation.label]}'
        texts.append(f'{said}.')
        pictures += [
            Picture(figure, f'{name}. {captions[key]}')
            for key, figure in explanation_figures(
                name, explanation, classes, duration=duration).items()]
    return Section(f'{clip}: what moved the score', texts, figure=pictures)
