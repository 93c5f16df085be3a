"""Files that appear whole or not at all."""
import errno
import hashlib
import os
import os.path as osp

PARTIAL = '.tmp-'


def write_whole(path, data):
    """Write bytes so that the file is there completely or not at all.

    Args:
        path (str): The file; its folder is made if need be.
        data (bytes): Its content.

    Raises:
        OSError: If it cannot be written; nothing is left behind.
    """
    folder, name = osp.split(os.fspath(path))
    os.makedirs(folder or '.', exist_ok=True)
    partial = osp.join(folder, PARTIAL + name)
    try:
        with open(partial, 'wb') as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        if osp.exists(partial):
            os.unlink(partial)
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise OSError(
                error.errno, f'{path}: no space for {len(data)} bytes '
                f'({error.strerror}); what was written before is safe: '
                'make room and run the same again') from None
        raise
    fd = os.open(folder or '.', os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sha256_of(path):
    """sha256 of a file, as a hexadecimal string."""
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()
