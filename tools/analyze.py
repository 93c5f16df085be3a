#!/usr/bin/env python3
"""``hpnet analyze``, from a clone or by ``mim run hpnet_plugin``."""
import sys

from hpnet_plugin.commands.analyze import main

if __name__ == '__main__':
    sys.exit(main())
