"""A client's session with a server: requests and their replies, one at a time or many under way at once."""

from secftp.session.pipeline import Pipeline, new_token
from secftp.session.replies import FileReply, ListingReply, SingleReply, Transferred, Unconfirmed, unexpected_reply
from secftp.session.session import Session

__all__ = [
    "FileReply",
    "ListingReply",
    "Pipeline",
    "Session",
    "SingleReply",
    "Transferred",
    "Unconfirmed",
    "new_token",
    "unexpected_reply",
]
