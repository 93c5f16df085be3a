"""What pyproject.toml cannot say: dependencies, and the folder of mim.

mim looks for a package's configs, tools and model-index.yml in ``.mim``
inside it: a wheel gets copies of the folders of this repository, a
development install (``setup.py develop``, which ``make install`` runs) gets
links to them.
"""
import os
import runpy
import shutil
import sys
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py
from setuptools.command.develop import develop

ROOT = Path(__file__).resolve().parent
MIM = {
    'configs': 'configs',
    'tools': 'tools',
    'model-index.yml': 'configs/model-index.yml',
}

# Runs at the start of every Python of the installation: the gaps of the stock
# packages are filled for stock configs, too. Says nothing where the folder of
# a development install is gone.
STARTUP = 'hpnet_plugin_startup'
PTH = (f"import sys; exec('try:\\n    import {STARTUP}\\n"
       "except ImportError:\\n    pass')\n")

SCRIPT = f"""#!{sys.executable}
import sys

from hpnet_plugin.cli import main

sys.exit(main())
"""


class BuildPy(build_py):
    """Copy configs, tools and the model index into a built package."""

    def run(self) -> None:
        super().run()
        Path(self.build_lib, f'{STARTUP}.pth').write_text(PTH)
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

    def run(self) -> None:
        mim = ROOT / 'hpnet_plugin' / '.mim'
        shutil.rmtree(mim, ignore_errors=True)
        mim.mkdir()
        for name, source in MIM.items():
            (mim / name).symlink_to(os.path.relpath(ROOT / source, mim))
        super().run()
        pth = Path(self.install_dir, f'{STARTUP}.pth')
        if self.uninstall:
            pth.unlink(missing_ok=True)
        else:
            pth.write_text(PTH)

    def install_wrapper_scripts(self, dist: Distribution) -> None:
        """Write ``hpnet`` as pip does.

        The script of setuptools does not start where the requirements of any
        package, mmengine's opencv-python for one, are not met to the letter.
        """
        self.write_script('hpnet', SCRIPT)


PACKAGES = runpy.run_path(
    str(ROOT / 'hpnet_plugin' / 'compat' / 'packages.py'))
REQUIRED = [package.requirement for package in PACKAGES['OWN']
            if package.module != 'cv2']  # mmengine brings one of its builds
EXTRAS = {
    'tests': ['pyrefly>=1.4', 'pytest>=9', 'pytest-xdist>=3.8',
              'ruff>=0.17', 'transformers>=5.23']
}
for package in PACKAGES['OPTIONAL']:
    EXTRAS.setdefault(package.extra, []).append(package.requirement)
EXTRAS['all'] = sorted({name for names in EXTRAS.values() for name in names})

setup(
    install_requires=[*REQUIRED, *PACKAGES['OF_OPENMMLAB']],
    extras_require=EXTRAS,
    cmdclass={
        'build_py': BuildPy,
        'develop': Develop,
    })
