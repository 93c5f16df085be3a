#!/usr/bin/env python3
"""``hpnet benchmark``, from a clone or by ``mim run hpnet_plugin``."""
import sys

from hpnet_plugin.commands.benchmark import main

if __name__ == '__main__':
    sys.exit(main())
