"""A client's session with a server: requests and their replies, one at a time or many under way at once."""

from secftp.session.confirm import confirm, has_arrived
from secftp.session.errors import Transferred, Unconfirmed
from secftp.session.pipeline import OnReply, Pipeline, new_token
from secftp.session.replies import FileReply, ListingReply, SingleReply
from secftp.session.session import Session

__all__ = [
    "FileReply",
    "ListingReply",
    "OnReply",
    "Pipeline",
    "Session",
    "SingleReply",
    "Transferred",
    "Unconfirmed",
    "confirm",
    "has_arrived",
    "new_token",
]
