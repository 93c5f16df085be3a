"""mmaction2's own test script, for ``mim test hpnet_plugin CONFIG``."""
import runpy
from importlib.util import find_spec
from pathlib import Path

mmaction = Path(find_spec('mmaction').origin).parent
runpy.run_path(str(mmaction / '.mim/tools/test.py'), run_name='__main__')
