"""What the doctor looks for: can this installation do the main job?

The main job is extraction, training, testing and fusion. This file is run by
its path (tools/doctor.py), where importing the package may be the very thing
that fails; so it needs nothing but the standard library at its top, and
every check catches what it runs into.
"""
import importlib
import os
import platform
import re
import shutil
import sys
from importlib import metadata
from typing import NamedTuple

INSTALL = 'make install (pip install --no-deps -r requirements/lock.txt)'


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        what (str): What was looked for.
        found (str): What there is.
        good (bool): Whether that will do.
        fix (str): What to do where it will not.
        needed (bool): Whether the main job needs it.
    """
    what: str
    found: str
    good: bool
    fix: str = ''
    needed: bool = True

    @property
    def mark(self):
        """'ok', 'FAIL' (the main job cannot run) or 'warn'."""
        return 'ok' if self.good else 'FAIL' if self.needed else 'warn'


def _number(version):
    """'2.11.0+cu130' -> (2, 11, 0), for comparisons."""
    return tuple(int(part) for part in re.findall(r'\d+', version)[:3])


# Module, its distributions (the first that is there counts), the least
# version, the one from which it no longer works, what needs it ('' the main
# job).
PACKAGES = (
    ('torch', ('torch', ), '2.0', '', ''),
    ('torchvision', ('torchvision', ), '0.15', '', ''),
    ('numpy', ('numpy', ), '1.23', '2', ''),
    ('scipy', ('scipy', ), '1.9', '', ''),
    ('pkg_resources', ('setuptools', ), '40', '82', ''),
    ('mmengine', ('mmengine', ), '0.10.0', '1', ''),
    ('mmcv', ('mmcv', 'mmcv-lite'), '2.0.0', '2.2.0', ''),
    ('mmaction', ('mmaction2', ), '1.2.0', '2', ''),
    ('mim', ('openmim', ), '0.3.9', '', ''),
    ('cv2', ('opencv-python', 'opencv-python-headless',
             'opencv-contrib-python'), '4.5', '', ''),
    ('av', ('av', ), '10', '', ''),
    ('safetensors', ('safetensors', ), '0.4', '', ''),
    ('matplotlib', ('matplotlib', ), '3.5', '', ''),
    ('tqdm', ('tqdm', ), '4.60', '', ''),
    ('mmpose', ('mmpose', ), '1.2.0', '2', 'pose nets of mmpose'),
    ('mmdet', ('mmdet', ), '3.1.0', '3.3.0', 'detectors of mmdet'),
    ('onnxruntime', ('onnxruntime', 'onnxruntime-gpu'), '1.16', '',
     'pose nets in ONNX files'),
    ('onnx', ('onnx', ), '1.15', '', 'pose nets in ONNX files'),
    ('open_clip', ('open_clip_torch', ), '2.24', '', 'text features'),
    ('sklearn', ('scikit-learn', ), '1.2', '', 't-SNE of tools/analyze.py'),
)

NOTES = {
    'numpy': 'numpy 2 lacks np.Inf, which stock transforms use: '
             'pip install "numpy<2"',
    'pkg_resources': 'setuptools 82 lacks pkg_resources, which mim and '
                     'mmengine import: pip install "setuptools<82"',
    'mmcv': 'mmaction2 wants 2.0.0 to 2.2.0: pip install --no-deps '
            'mmcv-lite==2.1.0',
}


def check_python():
    """The interpreter."""
    return Row('Python', platform.python_version(),
               sys.version_info >= (3, 10), 'install Python 3.11')


def check_package(module, names, least, below, use):
    """One stock package: its version, and that it can be imported."""
    fix = NOTES.get(module, INSTALL)
    what = f'{names[0]} (for {use})' if use else names[0]
    found = [name for name in names if _installed(name)]
    if not found:
        return Row(what, 'absent', False, fix, not use)
    version = metadata.version(found[0])
    text = f'{found[0]} {version}'
    wanted = f'wanted >={least}' + (f',<{below}' if below else '')
    if _number(version) < _number(least) or (
            below and _number(version) >= _number(below)):
        return Row(what, f'{text}, {wanted}', False, fix, not use)
    # mmpose and mmdet import where the gaps are filled: check_imports.
    if module not in ('mmpose', 'mmdet'):
        error = _import_error(module)
        if error:
            return Row(what, f'{text}: {error}', False, fix, not use)
    return Row(what, text, True)


def _installed(name):
    try:
        return bool(metadata.version(name))
    except metadata.PackageNotFoundError:
        return False


def _import_error(module):
    """What importing it runs into; '' where nothing."""
    try:
        importlib.import_module(module)
    except Exception as error:  # a broken package may raise anything
        return _line(error)
    return ''


def _line(error):
    """An error in one line, without the colours that mim gives it."""
    text = re.sub(r'\x1b\[\d*m', '', ' '.join(str(error).split()))
    return f'{type(error).__name__}: {text}'


def check_plugin():
    """This package, and each gap of the stock packages that it fills."""
    error = _import_error('hpnet_plugin')
    if error:
        return [Row('hpnet_plugin', error, False, INSTALL)]
    package = importlib.import_module('hpnet_plugin')
    rows = [Row('hpnet_plugin', package.__version__, True)]
    for gap in importlib.import_module('hpnet_plugin.compat').GAPS:
        needed, filled = gap.needed(), gap.filled()
        found = 'there' if not needed else (
            'absent, filled in' if filled else 'absent')
        rows.append(Row(gap.NAME, found, filled or not needed, gap.FIX))
    return rows


def check_imports():
    """The imports that the gaps break."""
    for module, needed in (('mmaction.models', True), ('mmpose.apis', False),
                           ('mmdet.apis', False)):
        error = _import_error(module)
        yield Row(f'import {module}', error or 'works', not error, INSTALL,
                  needed)


def check_mim():
    """Whether mim finds the configs and tools of this package."""
    what = 'mim ... hpnet_plugin'
    try:
        from mim.utils import get_installed_path
        folder = os.path.join(get_installed_path('hpnet_plugin'), '.mim')
    except Exception as error:
        return Row(what, _line(error), False, 'make install', False)
    missing = [name for name in ('configs', 'tools', 'model-index.yml')
               if not os.path.exists(os.path.join(folder, name))]
    return Row(
        what, f'{folder} lacks {", ".join(missing)}' if missing else 'found',
        not missing, 'make install, or pip install . (mim cannot look into '
        'the editable installs of newer pip)', False)


def check_device():
    """The accelerator, for information."""
    what = 'CUDA device'
    try:
        import torch
        names = [torch.cuda.get_device_name(i)
                 for i in range(torch.cuda.device_count())]
    except Exception as error:
        return Row(what, _line(error), False, INSTALL, False)
    return Row(what, ', '.join(names) or 'none, the CPU is used', True)


def check_disk(folder='.', wanted=2 << 30):
    """Room for features and checkpoints in the current folder."""
    free = shutil.disk_usage(folder).free
    return Row('free disk space here', f'{free / (1 << 30):.1f} GB',
               free >= wanted, 'free some space, or work in another folder',
               False)


def examine():
    """Run every check.

    Returns:
        list[Row]: In the order in which one would mend them.
    """
    return [
        check_python(), *(check_package(*row) for row in PACKAGES),
        *check_plugin(), *check_imports(),
        check_mim(),
        check_device(),
        check_disk()
    ]


def table(rows):
    """The rows as text, with the fix below what needs one."""
    wide = max(len(row.what) for row in rows)
    lines = []
    for row in rows:
        lines.append(f'{row.mark:4}  {row.what:{wide}}  {row.found}')
        if not row.good:
            lines.append(f'{"":4}  {"":{wide}}  -> {row.fix}')
    return '\n'.join(lines)


def main():
    """Print the table; exit 1 if the main job cannot run."""
    rows = examine()
    print(table(rows))
    failed = [row.what for row in rows if row.mark == 'FAIL']
    if failed:
        sys.exit(f'The main job cannot run: {", ".join(failed)}.')
    print('The main job can run.')


if __name__ == '__main__':
    main()
