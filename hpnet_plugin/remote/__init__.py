"""Object stores and web servers: what is read and written by a URL.

Any file system of fsspec is one: ``s3://bucket/folder``, and, for reading,
``https://host/folder``. Credentials and endpoints are those that fsspec and
the library of the store take from the environment and their own files.

Nothing here imports fsspec before a URL is used.
"""
from .errors import (
    DamagedError,
    MissingObjectError,
    RefusedError,
    RemoteError,
    TooLargeError,
    UnreachableError,
)
from .objects import Entry, Objects
from .urls import is_url, name_of, shown
from .videos import is_video, video_file

__all__ = ['DamagedError', 'Entry', 'MissingObjectError', 'Objects',
           'RefusedError', 'RemoteError', 'TooLargeError', 'UnreachableError',
           'is_url', 'is_video', 'name_of', 'shown', 'video_file']
