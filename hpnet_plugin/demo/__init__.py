"""Synthetic moving people: the data of ``make demo``.

``figure`` turns actions into joints in space, ``drawing`` turns joints into
pixels, ``actors`` places them in a picture; ``people`` makes clips and
datasets of both, ``crops`` what a pose net is trained on, ``long_video`` one
video of many actions.
"""
