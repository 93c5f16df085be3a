"""What an index says, compared with itself before it is believed.

Checksums tell accidents, not files that somebody made to do harm. Nothing
here depends on the number of clips but :func:`check_columns`, which is for
the index of one shard.
"""
from typing import Any

import numpy as np

from .files import POSE_KEYS, TIMESTAMP
from .index import ARRAY, BLOCK, CLIP, HEADER_BYTES, SECTIONS

_DTYPES = ('<f2', '<f4', '<f8')
_LARGEST = 1 << 31  # of a dimension
_LONGEST = 200  # characters of a shard's name


def check_sections(at: dict[str, int], clips: int, arrays: int, buckets: int,
                   size: int) -> str | None:
    """Whether the sections of a table are as long as its header says.

    Args:
        at: Where each section starts.
        clips: Number of clips.
        arrays: Number of arrays.
        buckets: Of the hash.
        size: Bytes of the table.

    Returns:
        What is wrong; None if nothing is.
    """
    blocks = -(-(at['checks'] - HEADER_BYTES) // BLOCK)
    expected = dict(clips=clips * CLIP.itemsize,
                    arrays=arrays * ARRAY.itemsize,
                    starts=4 * (buckets + 1), slots=4 * clips,
                    checks=4 * blocks)
    if at['schemas'] != HEADER_BYTES or buckets < 1 or buckets & buckets - 1:
        return f'its sections start at byte {at["schemas"]}, {buckets} buckets'
    ends = [*list(at.values())[1:], size]
    for section, end in zip(SECTIONS, ends):
        found = end - at[section]
        if found != expected.get(section, found):
            return (f'{found} bytes of {section}, expected '
                    f'{expected[section]}')
    return None


def schemas_of(content: Any) -> list[dict[str, tuple[int, np.dtype, list]]]:
    """The schemas of a table: array to number, type and dimensions.

    Args:
        content: Of the section.

    Returns:
        The schemas.

    Raises:
        ValueError: If it holds anything else.
    """
    _expect(isinstance(content, list), 'schemas', content)
    return [_schema(schema) for schema in content]


def _schema(content: Any) -> dict[str, tuple[int, np.dtype, list]]:
    _expect(isinstance(content, list), 'a schema', content)
    schema = {}
    for number, entry in enumerate(content):
        _expect(isinstance(entry, list) and len(entry) == 3, 'an array',
                entry)
        key, dtype, dims = entry
        _expect(isinstance(key, str) and key not in schema, 'an array', key)
        _expect(dtype in _DTYPES if isinstance(dtype, str) else False,
                'a type', dtype)
        _expect(isinstance(dims, list) and all(
            dim in ('M', 'T', 'V') if isinstance(dim, str) else
            type(dim) is int and 0 < dim < _LARGEST for dim in dims) and
            dims[:3] == (['T'] if key == TIMESTAMP else ['M', 'T', 'V']) and
            len(dims) == (1 if key == TIMESTAMP else 3 + (
                key != POSE_KEYS[1])), 'dimensions', dims)
        schema[key] = number, np.dtype(dtype), dims
    return schema


def shards_of(content: Any) -> dict[str, list]:
    """The shards of a table: columns, of one length.

    Args:
        content: Of the section.

    Returns:
        ``stems``, ``sizes``, ``marks``, and ``metas``, None where that is not
        noted.

    Raises:
        ValueError: If it holds anything else, or a name that is none of a
            shard: no index leads out of its folder.
    """
    _expect(isinstance(content, dict), 'shards', content)
    stems = content.get('stems')
    _expect(isinstance(stems, list) and all(map(_is_stem, stems)) and
            len(set(stems)) == len(stems), 'names of shards', stems)
    columns = dict(stems=stems, metas=[None] * len(stems))
    for key, bound in (('sizes', 1 << 63), ('marks', 1 << 32),
                       ('metas', 1 << 32)):
        values = content.get(key)
        if key == 'metas' and not values:
            continue
        _expect(isinstance(values, list) and len(values) == len(stems) and all(
            type(value) is int and 0 <= value < bound or
            value is None and key == 'metas' for value in values),
            f'{key} of {len(stems)} shards', values)
        columns[key] = values
    return columns


def _is_stem(stem: Any) -> bool:
    return isinstance(stem, str) and stem[-5:].isdecimal() and len(
        stem) >= 5 and '/' not in stem and stem.isprintable() and \
        stem[0] != '.' and len(stem) <= _LONGEST


def check_columns(clips: np.ndarray, arrays: int, infos: int,
                  schemas: list[dict]) -> str | None:
    """Whether the clips of a shard's index are of its schemas and infos.

    Args:
        clips: (N,) CLIP.
        arrays: Number of arrays.
        infos: Bytes of the infos.
        schemas: Of :func:`schemas_of`.

    Returns:
        What is wrong; None if nothing is.
    """
    if not len(clips):
        return 'it lists no clip'
    if clips['schema'].max() >= len(schemas):
        return 'a clip has a schema that is not there'
    lengths = np.array([len(schema) for schema in schemas], np.uint64)
    # in pieces: a sum of two could wrap round
    room = arrays - np.minimum(lengths[clips['schema']], arrays)
    if arrays < lengths[clips['schema']].max() or \
            (clips['first'] > room).any():
        return 'arrays of a clip are not there'
    if (clips['info'] > infos).any() or \
            (clips['info_bytes'] > infos - clips['info']).any():
        return 'the info of a clip is not there'
    if clips['shard'].any():
        return 'a clip is in another shard'
    return None


def _expect(right: bool, what: str, found: Any) -> None:
    if not right:
        raise ValueError(f'expected {what}, found {found!r:.80}')
