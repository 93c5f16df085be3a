#!/usr/bin/env python3
"""``hpnet import-poses``, from a clone or by ``mim run hpnet_plugin``."""
import sys

from hpnet_plugin.commands.import_poses import main

if __name__ == '__main__':
    sys.exit(main())
