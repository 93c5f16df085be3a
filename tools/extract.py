#!/usr/bin/env python3
"""``hpnet extract``, from a clone or by ``mim run hpnet_plugin``."""
import sys

from hpnet_plugin.commands.extract import main

if __name__ == '__main__':
    sys.exit(main())
