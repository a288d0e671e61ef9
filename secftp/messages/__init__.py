"""The message layer of secftp/1, sans I/O: frames' contents in, typed and checked messages out, and back.

`schema` says what a message is, `codec` turns it into a frame's payload and back, `state` says when it is allowed.
Nothing here waits, reads a clock, or touches a socket or a file; the wire is described in docs/PROTOCOL.md.
"""

from __future__ import annotations

from secftp.messages.codec import decode, encode
from secftp.messages.errors_map import code_for, exception_for, text_for
from secftp.messages.paths import check_path
from secftp.messages.pending import Pending
from secftp.messages.schema import (
    Abort,
    Algorithm,
    Bye,
    Cancel,
    Data,
    Direction,
    End,
    Error,
    ErrorCode,
    File,
    Info,
    Kind,
    Limits,
    Message,
    MessageType,
    Ok,
    Ping,
    Read,
    Stat,
    Welcome,
    Write,
)
from secftp.messages.state import Receiver, State

__all__ = [
    "Abort",
    "Algorithm",
    "Bye",
    "Cancel",
    "Data",
    "Direction",
    "End",
    "Error",
    "ErrorCode",
    "File",
    "Info",
    "Kind",
    "Limits",
    "Message",
    "MessageType",
    "Ok",
    "Pending",
    "Ping",
    "Read",
    "Receiver",
    "Stat",
    "State",
    "Welcome",
    "Write",
    "check_path",
    "code_for",
    "decode",
    "encode",
    "exception_for",
    "text_for",
]
