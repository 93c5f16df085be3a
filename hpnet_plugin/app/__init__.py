"""The page of ``hpnet app``: what people do in a visitor's video.

How a visitor's file is kept away from the process that holds the models:

- The file is decoded by a child process with limits on memory, processor
  time, frame size and length (:mod:`~hpnet_plugin.app.limited`). It gives raw
  frames through a pipe, one bounded chunk at a time, and is killed with all
  that it started when the last frame was taken, the visitor left, or it
  hangs. A file that makes the decoder crash or grow costs that child alone.
- The models are loaded once, into the process of the page, which gets
  nothing but pixels. The whole prediction in a child of its own for each
  video would have to load the models again every time, and cannot share a
  GPU; a forked copy of a process that runs torch's threads may hang. A video
  that the child encodes anew would not give the scores of ``hpnet predict``.
- Files lie in a folder that belongs to one visitor and one video
  (:mod:`~hpnet_plugin.app.visits`). It goes when the visitor leaves, and all
  folders go when the page ends.
"""
