"""The pump between files and channels, for both roles."""

from secftp.transfer.progress import Progress, unwatched
from secftp.transfer.receive import Aborted, discard_file, receive_file
from secftp.transfer.send import Interrupted, send_file

__all__ = ["Aborted", "Interrupted", "Progress", "discard_file", "receive_file", "send_file", "unwatched"]
