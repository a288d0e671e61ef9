"""A client's session with a server: requests and their answers, one at a time or many under way at once."""

from secftp.session.confirm import Unconfirmed, has_arrived, new_token
from secftp.session.pipeline import Handler, Pipeline
from secftp.session.replies import FileReply, ListingReply, SingleReply
from secftp.session.session import Session, Transferred

__all__ = [
    "FileReply",
    "Handler",
    "ListingReply",
    "Pipeline",
    "Session",
    "SingleReply",
    "Transferred",
    "Unconfirmed",
    "has_arrived",
    "new_token",
]
