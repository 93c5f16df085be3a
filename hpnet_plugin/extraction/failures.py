"""Which clips failed, noted at once and kept for the next run."""
import json
import os
import os.path as osp

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
        found = {}
        if osp.isfile(self.path):
            with open(self.path, 'rb') as file:
                for line in file:
                    try:
                        entry = json.loads(line)
                        found[str(entry['clip'])] = str(entry['why'])
                    except (ValueError, TypeError, KeyError,
                            RecursionError):
                        continue
        return found

    def add(self, clip: str, why: str) -> None:
        """Note a clip.

        Args:
            clip: Its name.
            why: The reason.

        Raises:
            OSError: If it cannot be written.
        """
        # json escapes what is no ASCII: names may be no text at all
        line = json.dumps(dict(clip=clip, why=why)) + '\n'
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            if os.fstat(fd).st_size and not self._ends_whole():
                line = '\n' + line
            os.write(fd, line.encode())
            os.fsync(fd)
        finally:
            os.close(fd)

    def _ends_whole(self) -> bool:
        with open(self.path, 'rb') as file:
            file.seek(-1, os.SEEK_END)
            return file.read() == b'\n'
