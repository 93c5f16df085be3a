"""``hpnet benchmark``, from a clone or by ``mim run hpnet_plugin``."""
from hpnet_plugin.cli import tool

main = tool(__name__, 'benchmark')
