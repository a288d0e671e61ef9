"""The file system for fsspec, under the name that it has had: see `secftp.fsspec`."""

from __future__ import annotations

from secftp.fsspec.connection import Unsupported
from secftp.fsspec.filesystem import SecftpFileSystem

__all__ = ["SecftpFileSystem", "Unsupported"]
