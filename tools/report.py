#!/usr/bin/env python3
"""``hpnet report``, from a clone or by ``mim run hpnet_plugin``."""
import sys

from hpnet_plugin.commands.report import main

if __name__ == '__main__':
    sys.exit(main())
