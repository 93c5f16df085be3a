#!/usr/bin/env python3
"""``hpnet prepare``, from a clone or by ``mim run hpnet_plugin``."""
import sys

from hpnet_plugin.commands.prepare import main

if __name__ == '__main__':
    sys.exit(main())
