"""Where ``hpnet extract`` writes: into a folder, or to a URL."""
from __future__ import annotations

import argparse
import os.path as osp
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..extraction.upload import Upload


def open_upload(args: argparse.Namespace) -> Upload | None:
    """The upload of an extraction to a URL, which then works in a folder of
    this computer; None of one into a folder."""
    from ..remote import is_url, shown
    args.place = args.out
    if not is_url(args.out):
        return None
    from ..extraction.upload import Upload
    upload = Upload(args.out)
    args.place, args.out = shown(args.out), upload.folder
    return upload


def shown_place(args: argparse.Namespace) -> str:
    """The dataset folder, or its URL."""
    return osp.abspath(args.out) if args.place == args.out else args.place
