"""The messages that travel both ways: signs of life, the bytes of a file and their end, and the close.

They carry no id: those about a file are about the one that is under way, which `state` knows.
"""

from __future__ import annotations

import msgspec

# msgspec resolves a structure's annotations when the class is made, so these are needed at run time.
from secftp.messages.bounds import Digest, Size, Text  # noqa: TC001
from secftp.messages.vocabulary import Buffer, ErrorCode  # noqa: TC001


class Ping(msgspec.Struct, frozen=True):
    """PING: the sender is alive. No payload and no answer."""


class Data(msgspec.Struct, frozen=True):
    """DATA: 1 to 65536 bytes of the file under way. `payload` is never copied and never interpreted."""

    payload: Buffer


class End(msgspec.Struct, frozen=True, kw_only=True):
    """END: the file is whole; `size` bytes were sent and `digest` is theirs."""

    size: Size
    digest: Digest


class Abort(msgspec.Struct, frozen=True, kw_only=True):
    """ABORT: in place of END, the sender gives this file up; the receiver throws away what it has."""

    code: ErrorCode
    text: Text = ""


class Bye(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """BYE: the authenticated close of one direction; `code` tells why if something went wrong."""

    code: ErrorCode | None = None
    text: Text = ""
