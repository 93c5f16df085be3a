"""What the workers of a test tell."""
from hpnet_plugin.extraction.watch import Watch


class Noted(Watch):
    """Notes what it is told: (what, worker, value)."""

    def __init__(self):
        self.told = []

    def began(self, worker, item):
        self.told.append(('began', worker, item))

    def progress(self, worker, count):
        self.told.append(('progress', worker, count))

    def ended(self, worker, item, failed):
        self.told.append(('ended', worker, (item, failed)))

    def lost(self, worker, how):
        self.told.append(('lost', worker, how))

    def of(self, kind):
        return [value for what, _, value in self.told if what == kind]
