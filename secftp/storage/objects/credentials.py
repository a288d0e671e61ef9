"""Credentials for S3 from the files of AWS's own tools, by boto3, an optional library.

The client of the stores takes credentials by itself from the environment, from the role of a machine or container, and
from the files that variables of the environment name. `~/.aws/credentials`, and profiles, are read by boto3 alone,
which also renews what expires. The order is that of AWS: a key in the environment, a profile that is named, a role of
the environment, the file, the role of the machine. Invariant: no credential is kept here, or in an exception.
"""

from __future__ import annotations

import os
from typing import Any, Final

from secftp.errors import InstallationError, UsageError
from secftp.text import escape

_SCHEMES: Final = frozenset({"s3", "s3a"})
# With any of these the client of the store finds credentials that come before those of the file.
_BEFORE_FILE: Final = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


def credential_provider(url: str) -> Any | None:
    """Return what obstore asks for the credentials of a URL; None if it finds them, or there are none, by itself.

    Raises `InstallationError` if AWS_PROFILE names a profile and boto3 is missing, `UsageError` if there is no such
    profile, or no credentials in it.
    """
    environ = os.environ
    if url.partition("://")[0].lower() not in _SCHEMES or environ.get("AWS_ACCESS_KEY_ID"):
        return None
    profile = environ.get("AWS_PROFILE")
    if not profile and (any(map(environ.get, _BEFORE_FILE)) or not os.path.exists(_file())):
        return None
    try:
        from botocore.exceptions import BotoCoreError
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError:
        if profile:
            raise InstallationError("Profiles of AWS require boto3.", hint="Run: pip install boto3") from None
        return None
    try:
        return Boto3CredentialProvider()
    except (BotoCoreError, ValueError):
        where = f"The profile {escape(profile)}" if profile else "The file of AWS credentials"
        raise UsageError(
            f"{where} has no credentials, or can't be read.", hint="Look at AWS_PROFILE and ~/.aws/credentials."
        ) from None


def _file() -> str:
    return os.path.expanduser(os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials")
