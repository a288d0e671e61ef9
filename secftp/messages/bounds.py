"""How large anything in a message may be: every number of docs/PROTOCOL.md, once, with the field types made of them.

Every value a peer sends has a bound here that is checked while it is decoded, before it is stored or acted upon. A
field without a bound must never enter `schema`.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

MAX_DATA = 65536  # bytes of a file in one frame: all that a frame's payload can hold
MAX_BULK = 65536  # bytes of the payload of a message that is about many files
MAX_CONTROL = 16384  # bytes of any other payload
MAX_NESTING = 16  # levels of a value that no structure describes
MAX_SIZE = 2**63 - 1  # sizes and offsets: what off_t holds
MAX_ID = 2**32 - 1
MAX_MODE = 0o7777

MAX_COMPONENTS = 64
MAX_COMPONENT = 255  # bytes
MAX_PATH = 4096  # bytes, one separator for each component included

MAX_TEXT = 200  # characters
MAX_SOFTWARE = 100  # characters
MAX_CAPABILITIES = 64
MAX_CAPABILITY = 40  # characters
MAX_REASON = 40  # characters
MIN_DIGEST, MAX_DIGEST = 16, 32  # bytes

MIN_REQUESTS, MAX_REQUESTS = 16, 65535  # unanswered ones; the least is granted before WELCOME says more
MAX_SECONDS = 86400

PING_BURST = 30
PING_RATE = 1.0  # a second
MAX_ENTRIES = 4096  # of a listing, in one message
MAX_MANY = 1024  # small files in one message
MAX_SMALL = 32768  # bytes of a file that travels in one message with others
MAX_DRAIN = 256 * 2**20  # bytes of a refused file that may still come before its end, enough for any pipe's content

TOKEN_BYTES = 16
Id = Annotated[int, Meta(ge=1, le=MAX_ID)]
Size = Annotated[int, Meta(ge=0, le=MAX_SIZE)]
Time = Annotated[int, Meta(ge=-MAX_SIZE - 1, le=MAX_SIZE)]
Mode = Annotated[int, Meta(ge=0, le=MAX_MODE)]
Seconds = Annotated[int, Meta(ge=1, le=MAX_SECONDS)]
Requests = Annotated[int, Meta(ge=MIN_REQUESTS, le=MAX_REQUESTS)]
Text = Annotated[str, Meta(max_length=MAX_TEXT)]
Reason = Annotated[str, Meta(min_length=1, max_length=MAX_REASON)]
Software = Annotated[str, Meta(max_length=MAX_SOFTWARE)]
Token = Annotated[bytes, Meta(min_length=TOKEN_BYTES, max_length=TOKEN_BYTES)]
Digest = Annotated[bytes, Meta(min_length=MIN_DIGEST, max_length=MAX_DIGEST)]
Capability = Annotated[str, Meta(min_length=1, max_length=MAX_CAPABILITY)]
Capabilities = Annotated[tuple[Capability, ...], Meta(max_length=MAX_CAPABILITIES)]
Component = Annotated[bytes, Meta(min_length=1, max_length=MAX_COMPONENT)]
Path = Annotated[tuple[Component, ...], Meta(min_length=1, max_length=MAX_COMPONENTS)]
DirectoryPath = Annotated[tuple[Component, ...], Meta(max_length=MAX_COMPONENTS)]  # () is the served folder itself
SmallData = Annotated[bytes, Meta(max_length=MAX_SMALL)]
