"""Build and install hpnet-plugin, with the ``.mim`` folder that mim reads.

mim looks for a package's configs, tools and model-index.yml in ``.mim``
inside it: a wheel gets copies of the folders of this repository, a
development install (``setup.py develop``, which ``make install`` runs) gets
links to them.
"""
import os
import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.develop import develop

ROOT = Path(__file__).resolve().parent
MIM = {
    'configs': 'configs',
    'tools': 'tools',
    'model-index.yml': 'configs/model-index.yml',
}


class BuildPy(build_py):
    """Copy configs, tools and the model index into a built package."""

    def run(self):
        super().run()
        mim = Path(self.build_lib, 'hpnet_plugin', '.mim')
        shutil.rmtree(mim, ignore_errors=True)
        mim.mkdir(parents=True)
        for name, source in MIM.items():
            if (ROOT / source).is_dir():
                shutil.copytree(
                    ROOT / source,
                    mim / name,
                    ignore=shutil.ignore_patterns('__pycache__'))
            else:
                shutil.copyfile(ROOT / source, mim / name)


class Develop(develop):
    """Link configs, tools and the model index into the working tree."""

    def run(self):
        mim = ROOT / 'hpnet_plugin' / '.mim'
        shutil.rmtree(mim, ignore_errors=True)
        mim.mkdir()
        for name, source in MIM.items():
            (mim / name).symlink_to(os.path.relpath(ROOT / source, mim))
        super().run()


def read_version():
    """The version, without importing the package and so torch."""
    text = (ROOT / 'hpnet_plugin' / 'version.py').read_text()
    return re.search(r"__version__ = '(.+)'", text).group(1)


# What the package imports itself.
OWN = [
    'torch>=2.11',
    'torchvision>=0.26',
    'open_clip_torch>=3.3',
    'numpy>=1.26',
    'scipy>=1.17',
    'matplotlib>=3.11',
    'tqdm>=4.70',
    'mmengine>=0.10.7,<0.11',
    'safetensors>=0.8',
    'av>=18',
]

# mmaction2, mmcv, mmpose, mmdet and openmim ask for packages that cannot be
# built or that exclude one another (chumpy, xtcocotools, decord, two builds
# of OpenCV, old pins of openxlab), so pip cannot be asked for them.
# ``hpnet doctor --fix`` installs them by themselves; what of their own lists
# is truly imported stands here.
OF_OPENMMLAB = [
    'addict', 'packaging', 'pillow', 'pyyaml', 'yapf',  # mmcv
    'einops', 'importlib_metadata',  # mmaction2
    'json-tricks', 'munkres', 'pycocotools>=2.0.11',  # mmpose
    'shapely', 'six', 'terminaltables',  # mmdet
    'click', 'colorama', 'model-index', 'pandas', 'pip', 'requests', 'rich',
    'tabulate',  # openmim
]

EXTRAS = {
    # Pose nets in ONNX files.
    'onnx': ['onnxruntime>=1.31', 'onnx>=1.19'],
    # t-SNE of "hpnet analyze".
    'analysis': ['scikit-learn>=1.7'],
    'tests': [
        'pytest>=9', 'pytest-xdist>=3.8', 'ruff>=0.17', 'scikit-learn>=1.7',
        'transformers>=5.23'
    ],
}
EXTRAS['all'] = sorted({name for names in EXTRAS.values() for name in names})

setup(
    name='hpnet-plugin',
    version=read_version(),
    description='HP-Net for MMAction2: action recognition from features '
    'pooled at the joints of a pose net',
    long_description=(ROOT / 'README.md').read_text()
    if (ROOT / 'README.md').is_file() else '',
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    license_files=['LICENSE'],
    packages=find_packages(include=['hpnet_plugin', 'hpnet_plugin.*']),
    package_data={
        'hpnet_plugin': [
            f'**/*.{suffix}'
            for suffix in ('txt', 'json', 'pth', 'safetensors', 'onnx',
                           'html', 'css', 'js')
        ]
    },
    # hashlib.file_digest is of 3.11.
    python_requires='>=3.11',
    install_requires=OWN + OF_OPENMMLAB,
    extras_require=EXTRAS,
    entry_points={'console_scripts': ['hpnet = hpnet_plugin.cli:main']},
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Science/Research',
        'License :: OSI Approved :: Apache Software License',
        'Programming Language :: Python :: 3',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
    ],
    cmdclass={
        'build_py': BuildPy,
        'develop': Develop,
    },
    zip_safe=False)
