"""Which clips failed, noted at once and kept for the next run."""
import json
import os
import os.path as osp
import zlib
from collections.abc import Iterator

from ..files import write_whole

FILE = 'failures.jsonl'


class FailureLog:
    """Failed clips of a dataset folder, a line of JSON each.

    Lines are appended whole, so that several processes may write; the last
    of a clip counts. A clip is tried again only if that is asked for: one
    that brings its process down costs that once.

    Args:
        out: The dataset folder.
    """

    def __init__(self, out: str) -> None:
        self.path = osp.join(out, FILE)

    def read(self) -> dict[str, str]:
        """Clips that failed, and why.

        Returns:
            Clip to reason. A line that a killed process left unfinished is
            left out.
        """
        return {clip: why for clip, why, _ in self._lines() if clip}

    def damaged(self) -> int:
        """Count what is no line that :meth:`add` wrote.

        Returns:
            The number of such lines.
        """
        return sum(not right for _, _, right in self._lines())

    def mend(self) -> int:
        """Take damaged lines out.

        Returns:
            How many there were.
        """
        bad = self.damaged()
        if bad:
            write_whole(self.path, b''.join(
                _line(clip, why) for clip, why, right in self._lines()
                if right))
        return bad

    def _lines(self) -> Iterator[tuple[str, str, bool]]:
        """Clip, reason, and whether the line is one that was written.

        There is no clip where it cannot be read, or its checksum is wrong.
        """
        if not osp.isfile(self.path):
            return
        with open(self.path, 'rb') as file:
            for line in file:
                if not line.strip():
                    continue  # behind a line that was not finished
                try:
                    entry = json.loads(line)
                    clip, why = str(entry['clip']), str(entry['why'])
                except (ValueError, TypeError, KeyError, RecursionError):
                    yield '', '', False
                    continue
                right = line == _line(clip, why)
                if 'crc32' in entry and not right:
                    clip = ''
                old = json.dumps(dict(clip=clip, why=why)) + '\n'
                yield clip, why, right or line == old.encode()

    def add(self, clip: str, why: str) -> None:
        """Note a clip.

        Args:
            clip: Its name.
            why: The reason.

        Raises:
            OSError: If it cannot be written.
        """
        # json escapes what is no ASCII: names may be no text at all
        line = _line(clip, why)
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            if os.fstat(fd).st_size and not self._ends_whole():
                line = b'\n' + line
            os.write(fd, line)
            os.fsync(fd)
        finally:
            os.close(fd)

    def _ends_whole(self) -> bool:
        with open(self.path, 'rb') as file:
            file.seek(-1, os.SEEK_END)
            return file.read() == b'\n'


def _line(clip: str, why: str) -> bytes:
    text = json.dumps(dict(clip=clip, why=why))
    # a changed name would have the clip tried again, or another left out
    return (json.dumps(dict(
        clip=clip, why=why, crc32=zlib.crc32(text.encode()))) + '\n').encode()
