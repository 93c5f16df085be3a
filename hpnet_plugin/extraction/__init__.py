"""From videos to a dataset folder: what does it, clip by clip."""
