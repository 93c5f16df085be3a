"""What can go wrong with an object store, and whether it may pass."""
from __future__ import annotations

import errno

from .urls import scheme_of, shown

# of this computer, or of the request: waiting changes nothing
_OWN = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
_LASTING = (errno.EINVAL, errno.EPERM, errno.EACCES, errno.ENAMETOOLONG,
            errno.ENOSYS, errno.EMSGSIZE, errno.EISDIR, errno.ENOTDIR,
            errno.ENOTEMPTY, getattr(errno, 'EREMCHG', -1))
_PASSING = (408, 425, 429)  # below 500
# libraries that fsspec works with, and whose errors are of the network
_NETWORK = ('botocore', 'aiobotocore', 'aiohttp', 'fsspec', 's3fs', 'asyncio',
            'concurrent', 'urllib3', 'requests', 'google', 'gcsfs', 'azure',
            'paramiko')
_CREDENTIALS = ('NoCredentialsError', 'PartialCredentialsError',
                'CredentialRetrievalError', 'ProfileNotFound',
                'TokenRetrievalError', 'UnauthorizedSSOTokenError')
_REFUSED = ('ParamValidationError', 'ConfigParseError', 'ConfigNotFound',
            'InvalidConfigError', 'UnknownServiceError', 'NoRegionError',
            'ClientConnectorCertificateError', 'InvalidURL')
_EXTRA = dict.fromkeys(('s3', 's3a', 'http', 'https'),
                       'pip install "hpnet-plugin[s3]"')


class RemoteError(OSError):
    """An object store or a web server has not done what was asked.

    Args:
        message: Names the URL and the cause.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple:
        return type(self), (self.message, )


class UnreachableError(RemoteError):
    """It did not answer for as long as one waits; all else waits as well.

    Args:
        message: Names the URL and the cause.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        # by its number the extraction knows that no clip is to blame
        self.errno, self.strerror = errno.EHOSTUNREACH, message


class MissingObjectError(RemoteError, FileNotFoundError):
    """There is no such object, folder or bucket."""


class RefusedError(RemoteError, PermissionError):
    """Credentials are missing or do not do, or the request is not one."""


class TooLargeError(RefusedError):
    """An object is larger than it may be."""


class DamagedError(RemoteError):
    """What was fetched is not what was written."""


def lasting(error: BaseException, url: str) -> BaseException | None:
    """The error to raise at once; None of one that may pass.

    Args:
        error: Of fsspec, or of a library that it works with.
        url: What was asked for.

    Returns:
        One that names the URL, or an error of this computer as it is.
    """
    where, cause = shown(url), cause_of(error)
    if isinstance(error, RemoteError):
        return error
    if isinstance(error, ImportError):
        install = _EXTRA.get(scheme_of(url), 'install what it names')
        return RefusedError(f'{where}: {cause}; {install}')
    names = {kind.__name__ for kind in type(error).__mro__}
    if names.intersection(_CREDENTIALS):
        return RefusedError(
            f'{where}: no credentials ({cause}); set AWS_ACCESS_KEY_ID and '
            'AWS_SECRET_ACCESS_KEY, or AWS_PROFILE')
    status = getattr(error, 'status', None)
    if isinstance(status, int) and 400 <= status < 500 and \
            status not in _PASSING:
        kind = MissingObjectError if status in (404, 410) else RefusedError
        return kind(f'{where}: the server says {status} ({cause})')
    if isinstance(error, FileNotFoundError) and error.__cause__ and \
            type(error.__cause__).__module__.startswith('aiohttp'):
        # fsspec says so of a web server whatever keeps it from answering
        return lasting(error.__cause__, url)
    if isinstance(error, FileNotFoundError):
        return MissingObjectError(f'{where}: no such object, folder or '
                                  f'bucket ({cause})')
    if isinstance(error, PermissionError) or names.intersection(_REFUSED):
        return RefusedError(f'{where}: refused ({cause})')
    if isinstance(error, OSError):
        if error.errno in _OWN:
            return error
        if error.errno in _LASTING:
            return RefusedError(f'{where}: refused ({cause})')
        return None
    if type(error).__module__.partition('.')[0] in _NETWORK:
        return None
    return RemoteError(f'{where}: {cause}')


def cause_of(error: BaseException) -> str:
    """An error in a line.

    Args:
        error: Any.

    Returns:
        Its type, and what it says, without queries of addresses.
    """
    text = ' '.join(str(error).split()).partition('?')[0]
    return f'{type(error).__name__}: {text}' if text else type(error).__name__
