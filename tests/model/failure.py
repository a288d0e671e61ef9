"""Reasons for which the model refuses something, in one list.

Every invalid vector names the check that must stop it, in these words. A product may answer all of them alike, and
towards its peer it must; here they are told apart, so that a vector which is stopped by the wrong check is noticed.
"""

from __future__ import annotations

from enum import StrEnum


class Failure(StrEnum):
    # Both layers: the bytes end in the middle of a flight or a frame. Not refused yet, but never accepted either.
    INCOMPLETE = "incomplete"
    # Handshake, in the order of the checks.
    MAGIC = "magic"
    VERSION = "version"
    STATUS = "status"
    SUITE = "suite"
    MODE = "mode"
    RESERVED = "reserved"
    NAME = "name"
    POINT = "point"
    IDENTITY = "identity"
    CONFIRMATION = "confirmation"
    NONCE = "nonce"
    # Frames, in the order of the checks.
    LENGTH = "length"
    TAG = "tag"
    PADDING = "padding"
    HEADER = "header"
    PAYLOAD_LENGTH = "payload_length"
    ZERO_BYTES = "zero_bytes"


class Refused(Exception):
    """Raised where the specification says that a side closes the connection."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.value)
        self.failure = failure
