"""mmaction2's own training script, for ``mim train hpnet_plugin CONFIG``."""
import sys

from hpnet_plugin.commands.scripts import run_script

sys.exit(run_script('train', sys.argv[1:]))
