"""The data of files between storage and a channel, for both roles."""

from secftp.transfer.progress import Progress, unwatched
from secftp.transfer.receive import Aborted, IncomingFile, checksum_mismatch, discard_file, receive_file
from secftp.transfer.send import SendInterrupted, send_file

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
