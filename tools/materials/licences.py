"""Which licence a package or a library has, and what kind that is.

First what the package says of itself (a licence expression, classifiers, a
field), then the text of its licence file where that is a well-known one. The
libraries inside wheels hardly ever say; of those, the licence is that which
their project publishes, from the table below, marked "concluded". What is in
none of these is called unknown.
"""
from __future__ import annotations

import re
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

Licence = dict[str, Any]

# By how a library's name begins.
UPSTREAM = {
    'libSvtAv1Enc': 'BSD-3-Clause-Clear', 'libXau': 'MIT-open-group',
    'libasound': 'LGPL-2.1-or-later', 'libavif': 'BSD-2-Clause',
    'libbrotli': 'MIT', 'libcrypto': 'OpenSSL', 'libssl': 'OpenSSL',
    'libcudart': 'LicenseRef-NVIDIA-Proprietary', 'libdav1d': 'BSD-2-Clause',
    'libdrm': 'MIT', 'libfreetype': 'FTL OR GPL-2.0-only',
    'freetype': 'FTL OR GPL-2.0-only', 'libgeos': 'LGPL-2.1-or-later',
    'libgfortran': 'GPL-3.0-or-later WITH GCC-exception-3.1',
    'libgmp': 'LGPL-3.0-or-later OR GPL-2.0-or-later',
    'libgnutls': 'LGPL-2.1-or-later',
    'libgomp': 'GPL-3.0-or-later WITH GCC-exception-3.1',
    'libharfbuzz': 'MIT', 'libhogweed': 'LGPL-3.0-or-later OR '
    'GPL-2.0-or-later', 'libjpeg': 'IJG AND BSD-3-Clause',
    'liblcms2': 'MIT', 'liblzma': '0BSD', 'libmp3lame': 'LGPL-2.0-or-later',
    'libnettle': 'LGPL-3.0-or-later OR GPL-2.0-or-later',
    'libnvjpeg': 'LicenseRef-NVIDIA-Proprietary',
    'libopenblas': 'BSD-3-Clause', 'libscipy_openblas': 'BSD-3-Clause',
    'libopencore-amr': 'Apache-2.0', 'libopenjp2': 'BSD-2-Clause',
    'libopus': 'BSD-3-Clause', 'libpng16': 'libpng-2.0',
    'libquadmath': 'LGPL-2.1-or-later', 'libsharpyuv': 'BSD-3-Clause',
    'libtiff': 'libtiff', 'libunistring': 'LGPL-3.0-or-later OR '
    'GPL-2.0-or-later', 'libvpl': 'MIT', 'libvpx': 'BSD-3-Clause',
    'libwebp': 'BSD-3-Clause', 'libx264': 'GPL-2.0-or-later',
    'libx265': 'GPL-2.0-or-later', 'libxcb': 'MIT', 'libxml2': 'MIT',
    'libxslt': 'MIT', 'libz': 'Zlib', 'libzstd': 'BSD-3-Clause OR '
    'GPL-2.0-only', 'flatbuffers': 'Apache-2.0', 'fbgemm': 'BSD-3-Clause',
    'gloo': 'BSD-3-Clause', 'intel-ipp': 'LicenseRef-Intel-Simplified',
    'kineto': 'BSD-3-Clause', 'nnpack': 'BSD-2-Clause',
    'oneapi-mkl': 'LicenseRef-Intel-Simplified', 'onednn': 'Apache-2.0',
    'openexr': 'BSD-3-Clause', 'openjpeg': 'BSD-2-Clause',
    'protobuf': 'BSD-3-Clause', 'pytorch_qnnpack': 'BSD-3-Clause',
    'raqm': 'MIT', 'xnnpack': 'BSD-3-Clause', 'zlib-ng': 'Zlib',
    'openssl': 'Apache-2.0',
}
FFMPEG = {
    'LGPL version 2.1 or later': 'LGPL-2.1-or-later',
    'LGPL version 3 or later': 'LGPL-3.0-or-later',
    'GPL version 2 or later': 'GPL-2.0-or-later',
    'GPL version 3 or later': 'GPL-3.0-or-later',
}
# What packages write in their metadata, and what it is called.
CALLED = {
    'Apache Software License': 'Apache-2.0', 'Apache License 2.0':
    'Apache-2.0', 'Apache 2.0': 'Apache-2.0', 'Apache 2.0 license':
    'Apache-2.0', 'Apache Software License 2.0': 'Apache-2.0',
    'Apache License, Version 2.0': 'Apache-2.0',
    'Apache License v2.0': 'Apache-2.0', 'Apache 2.0 License': 'Apache-2.0',
    'BSD License': 'BSD',
    'BSD': 'BSD', 'MIT License': 'MIT', 'Mozilla Public License 2.0 (MPL 2.0)':
    'MPL-2.0', 'Python Software Foundation License': 'PSF-2.0',
    'Other/Proprietary License': 'proprietary', 'ISC License (ISCL)': 'ISC',
    'NVIDIA Proprietary Software': 'LicenseRef-NVIDIA-Proprietary',
    '3-Clause BSD License': 'BSD-3-Clause', 'FreeBSD': 'BSD-2-Clause',
}
TEXTS = (  # in this order: later ones are parts of earlier ones
    (r'Apache License\s+Version 2\.0', 'Apache-2.0'),
    (r'Redistributions of source code(?s:.)*Neither the name',
     'BSD-3-Clause'),
    (r'Redistributions of source code', 'BSD-2-Clause'),
    (r'Permission is hereby granted, free of charge', 'MIT'),
    (r'(?i)NVIDIA Software License|license agreement for nvidia',
     'LicenseRef-NVIDIA-Proprietary'),
)
# From the freest to the least free: of "A OR B" the first counts, of "A AND
# B" the last.
KINDS = ('permissive', 'weak copyleft', 'strong copyleft', 'proprietary',
         'unknown')
PERMISSIVE = {
    '0BSD', 'Apache-2.0', 'BSD', 'BSD-2-Clause', 'BSD-3-Clause',
    'BSD-3-Clause-Clear', 'BSL-1.0', 'CC0-1.0', 'CNRI-Python', 'FTL', 'HPND',
    'IJG', 'ISC', 'MIT', 'MIT-0', 'MIT-CMU', 'MIT-open-group', 'OpenSSL',
    'PSF-2.0', 'Python-2.0', 'Unlicense', 'Zlib', 'libpng-2.0', 'libtiff',
    'Unicode-3.0', 'Unicode-DFS-2016', 'WTFPL', 'X11', 'bzip2-1.0.6',
    'CDLA-Permissive-2.0',
}


def of_library(name: str) -> Licence | None:
    """The licence that a library's project publishes; None: not known here.

    Args:
        name: 'libx264'.
    """
    start = max((one for one in UPSTREAM if name.startswith(one)), key=len,
                default='')
    return _licence(UPSTREAM[start], 'concluded') if start else None


def said_by_ffmpeg(text: str) -> Licence:
    """What FFmpeg answers when it is asked for its licence."""
    return _licence(FFMPEG.get(text, text), 'declared')


def _licence(name: str, acknowledgement: str) -> Licence:
    if ' ' in name:
        return dict(expression=name, acknowledgement=acknowledgement)
    # What is no identifier of the SPDX list may only stand as a name.
    kind = 'name' if name.startswith('LicenseRef') or name in (
        'BSD', 'proprietary') else 'id'
    return dict(license={kind: name, 'acknowledgement': acknowledgement})


def of_package(dist: Distribution) -> Licence | None:
    """The licence of an installed package; None if nothing says.

    Args:
        dist: The package.
    """
    meta = dist.metadata
    expression = _field(dist, 'License-Expression')
    if expression:
        return _licence(expression, 'declared')
    names = [one.rpartition(' :: ')[2]
             for one in meta.get_all('Classifier') or ()
             if one.startswith('License :: ') and one.count(' :: ') > 1
             or one.startswith('License :: Other')]
    field = _field(dist, 'License')
    if field and '\n' not in field and (
            not names or CALLED.get(field, field) in PERMISSIVE - {'BSD'}):
        names = [field]
    names = sorted({CALLED.get(name, name) for name in names} - {'UNKNOWN'})
    by_text = _by_text(dist)
    if (names == ['BSD'] or not names) and by_text:
        return _licence(by_text, 'concluded')
    if not names:
        return None
    known = all(kind(name) != 'unknown' for name in names)
    if known or len(names) > 1:
        return _licence(' AND '.join(names), 'declared')
    return dict(license=dict(name=names[0], acknowledgement='declared'))


def _field(dist: Distribution, name: str) -> str:
    return (dist.metadata.get_all(name) or [''])[0].strip()


def _by_text(dist: Distribution) -> str:
    """What the licence files of a package are, by what stands in them."""
    for file in dist.files or ():
        if re.match(r'(?i)(licen[cs]e|copying)', file.name) and (
                '.dist-info' in str(file)):
            text = Path(str(file.locate())).read_text(errors='replace')
            for pattern, name in TEXTS:
                if re.search(pattern, text):
                    return name
    return ''


def shown(licence: Licence | None) -> str:
    """'MIT', as a page shows it."""
    if licence is None:
        return 'unknown'
    one = licence.get('license', {})
    return licence.get('expression') or one.get('id') or one['name']


def kind(expression: str) -> str:
    """One of :data:`KINDS`.

    Args:
        expression: 'LGPL-3.0-or-later OR GPL-2.0-or-later'.
    """
    inner = re.search(r'\(([^()]*)\)', expression)
    if inner:
        return kind(expression.replace(inner[0], f'={kind(inner[1])}='
                                       .replace(' ', '_')))
    parts = expression.split(' AND ')
    if len(parts) > 1:
        return max(map(kind, parts), key=KINDS.index)
    parts = expression.split(' OR ')
    if len(parts) > 1:
        return min(map(kind, parts), key=KINDS.index)
    return _kind(expression.strip())


def _kind(name: str) -> str:
    if name.startswith('='):  # of what stood in brackets
        return name.strip('=').replace('_', ' ')
    name, _, exception = name.partition(' WITH ')
    if name in PERMISSIVE:
        return 'permissive'
    if re.match(r'LGPL|MPL|EPL|GEOS', name) or exception.startswith('GCC'):
        return 'weak copyleft'
    if re.match('A?GPL', name):
        return 'strong copyleft'
    if re.search('(?i)nvidia|intel|proprietary', name):
        return 'proprietary'
    return 'unknown'
