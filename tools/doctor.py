"""Say whether this installation can do the main job, and what to mend.

Exits 1 if it cannot. Runs without the package installed: from a clone, or
from ``.mim/tools`` inside it.
"""
import runpy
from pathlib import Path

HERE = Path(__file__).resolve().parent
DOCTOR = 'hpnet_plugin/compat/doctor.py'

runpy.run_path(
    next(str(root / DOCTOR) for root in HERE.parents
         if (root / DOCTOR).is_file()),
    run_name='__main__')
