"""Ask the native libraries of one wheel which version they are.

A program of its own: a library that cannot be loaded, or that crashes, is
then this process's end and no more. Standard input is JSON, ``{'wheel': name,
'files': {path in the installation: whole path}}``; each answer is printed at
once, as a line of JSON. What a library does not say is not guessed.
"""
from __future__ import annotations

import ctypes
import importlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

Probe = Callable[[ctypes.CDLL], str]
Said = dict[str, Any]
ABSENT = 'not built in'


def text(function: str, *arguments: Any) -> Probe:
    """A function that returns a C string."""

    def ask(library: ctypes.CDLL) -> str:
        call = library[function]
        call.restype = ctypes.c_char_p
        return call(*arguments).decode()

    return ask


def packed(function: str, *shifts: int) -> Probe:
    """A function that returns the parts of the version in one number."""

    def ask(library: ctypes.CDLL) -> str:
        return _parts(library[function](), shifts or (16, 8, 0))

    return ask


def _parts(number: int, shifts: tuple[int, ...]) -> str:
    ends = (32, *shifts)
    return '.'.join(str(number >> low & (1 << high - low) - 1)
                    for high, low in zip(ends, shifts))


def variable(name: str) -> Probe:
    """A variable that points to a C string."""

    def ask(library: ctypes.CDLL) -> str:
        return (ctypes.c_char_p.in_dll(library, name).value or b'').decode()

    return ask


def _unistring(library: ctypes.CDLL) -> str:
    number = ctypes.c_int.in_dll(library, '_libunistring_version').value
    return _parts(number, (16, 8, 0))


def _nettle(library: ctypes.CDLL) -> str:
    return f'{library.nettle_version_major()}.{library.nettle_version_minor()}'


def _lcms(library: ctypes.CDLL) -> str:
    number = library.cmsGetEncodedCMMversion()
    return f'{number // 1000}.{number % 1000 // 10}'


def _geos(library: ctypes.CDLL) -> str:
    return text('GEOSversion')(library).partition('-CAPI')[0]


def _cudart(library: ctypes.CDLL) -> str:
    number = ctypes.c_int()
    if library.cudaRuntimeGetVersion(ctypes.byref(number)):
        return ''
    return f'{number.value // 1000}.{number.value % 1000 // 10}'


def _nvjpeg(library: ctypes.CDLL) -> str:
    parts = []
    for kind in range(3):
        number = ctypes.c_int()
        if library.nvjpegGetProperty(kind, ctypes.byref(number)):
            return ''
        parts.append(str(number.value))
    return '.'.join(parts)


def _freetype(library: ctypes.CDLL) -> str:
    handle, parts = ctypes.c_void_p(), [ctypes.c_int() for _ in range(3)]
    if library.FT_Init_FreeType(ctypes.byref(handle)):
        return ''
    library.FT_Library_Version(handle, *map(ctypes.byref, parts))
    library.FT_Done_FreeType(handle)
    return '.'.join(str(part.value) for part in parts)


# By how the file's name begins.
PROBES: dict[str, Probe] = {
    **{f'lib{name}': packed(f'{name}_version')
       for name in ('avcodec', 'avdevice', 'avfilter', 'avformat', 'avutil',
                    'swresample', 'swscale')},
    'libSvtAv1Enc': text('svt_av1_get_version'),
    'libasound': text('snd_asoundlib_version'),
    'libavif': text('avifVersion'),
    'libbrotlidec': packed('BrotliDecoderVersion', 24, 12, 0),
    'libcrypto': text('OpenSSL_version', 0),
    'libcudart': _cudart,
    'libdav1d': text('dav1d_version'),
    'libfreetype': _freetype,
    'libgeos_c': _geos,
    'libgmp': variable('__gmp_version'),
    'libgnutls': text('gnutls_check_version', None),
    'libharfbuzz': text('hb_version_string'),
    'liblcms2': _lcms,
    'liblzma': text('lzma_version_string'),
    'libmp3lame': text('get_lame_version'),
    'libnettle': _nettle,
    'libnvjpeg': _nvjpeg,
    'libopenblas-': text('openblas_get_config'),
    'libopenblas64_': text('openblas_get_config64_'),
    'libopenjp2': text('opj_version'),
    'libopus': text('opus_get_version_string'),
    'libpng16': text('png_get_libpng_ver', None),
    'libscipy_openblas': text('scipy_openblas_get_config'),
    'libsharpyuv': packed('SharpYuvGetVersion', 24, 16, 0),
    'libtiff': text('TIFFGetVersion'),
    'libunistring': _unistring,
    'libvpx': text('vpx_codec_version_str'),
    'libwebp-': packed('WebPGetEncoderVersion'),
    'libwebp.': packed('WebPGetEncoderVersion'),
    'libwebpdemux': packed('WebPGetDemuxVersion'),
    'libwebpmux': packed('WebPGetMuxVersion'),
    'libx265': variable('x265_version_str'),
    'libz.': text('zlibVersion'),
    'libzstd': text('ZSTD_versionString'),
}


def ask(path: str) -> Said:
    """What one file says of itself.

    Args:
        path: The file.

    Returns:
        ``version``; of FFmpeg's libraries ``license`` and ``configuration``
        too. Empty if the file says nothing.
    """
    name = path.rpartition('/')[2]
    start = max((one for one in PROBES if name.startswith(one)), key=len,
                default='')
    if not start:
        return {}
    library = ctypes.CDLL(path)
    said: Said = {'version': number(PROBES[start](library))}
    stem = start.removeprefix('lib')
    if PROBES[start].__qualname__.startswith('packed') and (
            stem.startswith(('av', 'sw'))):
        said['license'] = text(f'{stem}_license')(library)
        said['configuration'] = text(f'{stem}_configuration')(library)
    return {key: value for key, value in said.items() if value}


def number(said: str) -> str:
    """'LIBTIFF, Version 4.7.1 ...' -> '4.7.1'; the first that is one."""
    found = re.search(r'(?<![\w.])v?(\d+\.\d[\w.+-]*)', said)
    return found[1].rstrip('.') if found else ''


def of_opencv() -> Iterator[tuple[str, str]]:
    """What stands inside the module itself, by OpenCV's own account."""
    import cv2
    found = re.findall(
        r'(?m)^ +([A-Za-z][\w ]+): +((?:build|builtin|\d)[^\n]*)$',
        cv2.getBuildInformation().partition('Media I/O')[2])
    told = {'JPEG': 'libjpeg-turbo', 'WEBP': 'libwebp', 'TIFF': 'libtiff',
            'JPEG 2000': 'openjpeg', 'OpenEXR': 'openexr',
            'Intel IPP': 'intel-ipp', 'Protobuf': 'protobuf',
            'Flatbuffers': 'flatbuffers'}
    for name, rest in found:
        if name in told:
            # WEBP tells the numbers of its interfaces only
            yield told[name], '' if name == 'WEBP' else number(
                rest.replace('(', ' '))


def of_pillow() -> Iterator[tuple[str, str]]:
    from PIL import features
    if not features.check('libimagequant'):
        yield 'libimagequant', ABSENT  # whatever the wheel's bill says
    for name, feature in (('libjpeg-turbo', 'libjpeg_turbo'),
                          ('zlib-ng', 'zlib_ng'), ('raqm', 'raqm')):
        if features.check(feature):
            yield name, features.version(feature) or ''


def of_torch() -> Iterator[tuple[str, str]]:
    import torch
    shown = torch.__config__.show()
    for name, pattern in (
            ('oneapi-mkl', r'Math Kernel Library Version (\S+?)-'),
            ('onednn', r'MKL-DNN v(\S+)'), ('nnpack', r'(NNPACK) is enabled'),
            *((flag.lower(), rf'-D?USE_({flag})\b')
              for flag in ('FBGEMM', 'KINETO', 'PYTORCH_QNNPACK', 'XNNPACK')),
            ('gloo', r'USE_(GLOO)=ON')):
        found = re.search(pattern, shown)
        if found:
            yield name, number(found[1])


def of_lxml() -> Iterator[tuple[str, str]]:
    from lxml import etree
    for name, version in (('libxml2', etree.LIBXML_VERSION),
                          ('libxslt', etree.LIBXSLT_VERSION)):
        yield name, '.'.join(map(str, version))


def of_matplotlib() -> Iterator[tuple[str, str]]:
    from matplotlib import ft2font
    yield 'freetype', ft2font.__freetype_version__


# By wheel: what was built into its modules and is no file of its own.
INSIDE = {
    'opencv-python-headless': of_opencv,
    'pillow': of_pillow,
    'torch': of_torch,
    'lxml': of_lxml,
    'matplotlib': of_matplotlib,
}


# Libraries that do not say where their neighbours are: the module knows.
FIRST = {'opencv-python-headless': 'cv2', 'numpy': 'numpy'}


def main() -> int:
    """Answer what standard input asks.

    Returns:
        0.
    """
    asked = json.load(sys.stdin)
    if asked['wheel'] in FIRST:
        importlib.import_module(FIRST[asked['wheel']])
    for name, path in asked['files'].items():
        print(json.dumps({'asking': name}), flush=True)
        try:
            said = ask(path)
        except (OSError, AttributeError, ValueError) as error:
            said = {'silent': f'{type(error).__name__}: {error}'}
        print(json.dumps({'file': name, **said}), flush=True)
    for name, version in INSIDE.get(asked['wheel'], lambda: ())():
        print(json.dumps({'inside': name, 'version': version}), flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
