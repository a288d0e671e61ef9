"""The data of files between storage and a channel, for both roles."""

from secftp.transfer.file_data import (
    Aborted,
    IncomingFile,
    Progress,
    SendInterrupted,
    checksum_mismatch,
    discard_file,
    receive_file,
    send_file,
    unwatched,
)

__all__ = [
    "Aborted",
    "IncomingFile",
    "Progress",
    "SendInterrupted",
    "checksum_mismatch",
    "discard_file",
    "receive_file",
    "send_file",
    "unwatched",
]
