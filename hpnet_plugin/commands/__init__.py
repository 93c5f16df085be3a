"""The subcommands of ``hpnet``, a module each.

Each has ``main(argv)``, which returns the exit status, and imports what it
needs when it runs, so that ``--help`` answers at once. ``tools/`` has a thin
caller for each, for clones and for ``mim run hpnet_plugin``.
"""
