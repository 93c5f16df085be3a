"""What this package costs, measured beside the plain way of doing the same.

A module a subcommand of ``hpnet benchmark``; each has ``add_options``,
which describes its options, and ``run``, which measures and returns the
tables to show.
"""
