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


EXTRAS = {
    # One of mmcv and mmcv-lite is needed. They own the same files, so the
    # package itself must not pull in the one over the other.
    'lite': ['mmcv-lite>=2.0.0,<2.2.0'],
    'mim': ['openmim>=0.3.9'],
    # Pose nets and detectors of mmpose and mmdet.
    'pose': ['mmpose>=1.2.0,<2', 'mmdet>=3.1.0,<3.3.0'],
    # Pose nets in ONNX files; later onnx wants numpy 2.
    'onnx': ['onnxruntime>=1.16', 'onnx>=1.15,<1.20', 'ml_dtypes<0.6'],
    # t-SNE of tools/analyze.py.
    'analysis': ['scikit-learn>=1.2'],
    'tests': [
        'pytest>=7', 'pytest-xdist>=3', 'ruff>=0.5', 'scikit-learn>=1.2',
        'transformers>=4.40'
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
    python_requires='>=3.10',
    install_requires=[
        'torch>=2.4',
        'torchvision>=0.19',
        'open_clip_torch>=2.26.1',
        # np.Inf of the stock transforms is gone from numpy 2.
        'numpy>=1.23,<2',
        'scipy>=1.9',
        'matplotlib>=3.5',
        'tqdm>=4.60',
        'mmengine>=0.10.0,<1',
        'mmaction2>=1.2.0,<2',
        'safetensors>=0.4',
        'av>=10',
        # pkg_resources, which mmengine and mim import, is gone from 82.
        'setuptools<82',
        # mmaction2 imports it and does not say so.
        'importlib_metadata',
    ],
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
