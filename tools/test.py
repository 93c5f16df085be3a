"""mmaction2's own test script, for ``mim test hpnet_plugin CONFIG``."""
import sys

from hpnet_plugin.commands.scripts import run_script

sys.exit(run_script('test', sys.argv[1:]))
