"""Moving people drawn from scratch: the data of ``make demo``.

``figure`` turns actions into joints in space, ``drawing`` turns joints into
pixels, ``people`` makes clips, data sets and training crops of both.
"""
