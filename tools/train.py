"""mmaction2's own training script, for ``mim train hpnet_plugin CONFIG``."""
import runpy
from importlib.util import find_spec
from pathlib import Path

mmaction = Path(find_spec('mmaction').origin).parent
runpy.run_path(str(mmaction / '.mim/tools/train.py'), run_name='__main__')
