"""The packages that this one needs, in the ranges that were tested.

Data alone, and the standard library: setup.py and the doctor read it by its
path, where nothing else can be imported yet. ``requirements/lock.txt`` has one
tested set of versions; the other was the newest of everything.
"""
from __future__ import annotations

from typing import NamedTuple


class Package(NamedTuple):
    """One package.

    Attributes:
        module (str): What is imported of it.
        names (tuple[str]): Distributions that have the module, the one to
            install first.
        least (str): The lowest version that will do; '' any.
        below (str): The version from which it no longer does; '' none known.
        use (str): What needs it; '' the main job.
        extra (str): The extra of this package that installs it; '' none:
            it comes with the package.
    """
    module: str
    names: tuple[str, ...]
    least: str = ''
    below: str = ''
    use: str = ''
    extra: str = ''

    @property
    def wanted(self) -> str:
        """The range as pip writes it: ``'>=2.1,<2.3'``."""
        bounds = [f'>={self.least}' if self.least else '',
                  f'<{self.below}' if self.below else '']
        return ','.join(filter(None, bounds))

    @property
    def requirement(self) -> str:
        """The package to install, with its range."""
        return self.names[0] + self.wanted


# What this package imports itself.
OWN = (
    Package('torch', ('torch', ), '2.11'),
    Package('torchvision', ('torchvision', ), '0.26'),
    Package('numpy', ('numpy', ), '1.26'),
    Package('scipy', ('scipy', ), '1.17'),
    Package('mmengine', ('mmengine', ), '0.10.7', '0.11'),
    Package('av', ('av', ), '18'),
    Package('safetensors', ('safetensors', ), '0.8'),
    Package('matplotlib', ('matplotlib', ), '3.11'),
    Package('jinja2', ('jinja2', ), '3.1'),
    Package('tabulate', ('tabulate', ), '0.9'),
    Package('tqdm', ('tqdm', ), '4.70'),
    Package('fsspec', ('fsspec', ), '2026.2'),
    Package('open_clip', ('open_clip_torch', ), '3.3'),
    # mmengine asks for the first of these.
    Package('cv2', ('opencv-python', 'opencv-python-headless',
                    'opencv-contrib-python'), '4.11'),
)

# pip cannot be asked for these: they ask for packages that cannot be built
# or that exclude one another (chumpy, xtcocotools, decord, two builds of
# OpenCV, old pins of openxlab). ``hpnet doctor --fix`` installs them alone.
# mmcv and mmcv-lite own the same files, and the one that is there is taken.
OPENMMLAB = (
    Package('mmcv', ('mmcv-lite', 'mmcv'), '2.1.0', '2.3'),
    Package('mmaction', ('mmaction2', ), '1.2.0', '2'),
    Package('mim', ('openmim', ), '0.3.9'),
    Package('mmpose', ('mmpose', ), '1.3.2', '2', 'pose nets of mmpose'),
    Package('mmdet', ('mmdet', ), '3.2.0', '3.4', 'detectors of mmdet'),
)

# What those import of their own lists.
OF_OPENMMLAB = (
    'addict', 'packaging', 'pillow', 'pyyaml', 'yapf',  # mmcv
    'einops', 'importlib_metadata',  # mmaction2
    'json-tricks', 'munkres', 'pycocotools>=2.0.11',  # mmpose
    'shapely', 'six', 'terminaltables',  # mmdet
    'click', 'colorama', 'model-index', 'pandas', 'pip', 'requests',
    'rich',  # openmim
)

OPTIONAL = (
    Package('onnxruntime', ('onnxruntime', 'onnxruntime-gpu'), '1.31', '',
            'pose nets in ONNX files', 'onnx'),
    Package('onnx', ('onnx', ), '1.19', '', 'pose nets in ONNX files',
            'onnx'),
    Package('sklearn', ('scikit-learn', ), '1.7', '',
            't-SNE of "hpnet analyze"', 'analysis'),
    # 6.7 no longer serves files beside its own.
    Package('gradio', ('gradio', ), '6.7', '7', 'the page of "hpnet app"',
            'app'),
    Package('ray', ('ray', ), '2.50', '3',
            '"hpnet extract --launcher ray"', 'ray'),
    Package('s3fs', ('s3fs', ), '2026.2', '', 's3:// object stores', 's3'),
    Package('aiohttp', ('aiohttp', ), '3.11', '', 'http:// sources', 's3'),
    Package('prometheus_client', ('prometheus-client', ), '0.23', '1',
            '"hpnet extract --metrics"', 'metrics'),
)
