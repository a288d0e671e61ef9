"""Encrypted file transfer under one shared key.

The command lines are `secftp` (`python -m secftp.client`) and `secftpd` (`python -m secftp.server`). Every error this
package raises on purpose is a `SecftpError`, and also the `OSError` that the failure is to Python.
"""

from __future__ import annotations

from secftp._version import __version__
from secftp.errors import (
    AlreadyExists,
    AuthenticationError,
    Cancelled,
    ChecksumMismatch,
    ConnectionLost,
    CoreError,
    ExitCode,
    FileChanged,
    FileError,
    Forbidden,
    HandshakeRefused,
    InputOutputError,
    InstallationError,
    IsAFolder,
    KeyFormatError,
    NameRefused,
    NoSpace,
    NotAFolder,
    NotEmpty,
    NotFound,
    ProtocolError,
    SecftpError,
    ServerUnreachable,
    TooLarge,
    TransferTimeout,
    UsageError,
)

__all__ = [
    "AlreadyExists",
    "AuthenticationError",
    "Cancelled",
    "ChecksumMismatch",
    "ConnectionLost",
    "CoreError",
    "ExitCode",
    "FileChanged",
    "FileError",
    "Forbidden",
    "HandshakeRefused",
    "InputOutputError",
    "InstallationError",
    "IsAFolder",
    "KeyFormatError",
    "NameRefused",
    "NoSpace",
    "NotAFolder",
    "NotEmpty",
    "NotFound",
    "ProtocolError",
    "SecftpError",
    "ServerUnreachable",
    "TooLarge",
    "TransferTimeout",
    "UsageError",
    "__version__",
]
