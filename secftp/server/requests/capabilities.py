"""Which capabilities a request uses, and the refusal of those that the store of its session lacks.

WELCOME has not named them, so a client that uses one all the same is answered `unsupported` (docs/PROTOCOL.md, section
9, WELCOME). What a client may send before WELCOME and a server may ignore is ignored: `keep` of WRITE, `compress` and
`holes` of READ, `others` of LIST. Invariant: nothing of a refused request is carried out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from secftp.protocol import Capability, ErrorCode, Read, Remove, Request, Stat, Sum, Write, WriteMany
from secftp.protocol.message import OTHER_KINDS
from secftp.server.requests.refusals import RequestRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


# Beside the capability of its type: what each request uses by its fields.
_BY_FIELD: Final[dict[type[Request], tuple[tuple[Capability, Callable[[Any], bool]], ...]]] = {
    Read: (
        (Capability.RESUME, lambda read: read.prefix is not None),
        (Capability.RANGES, lambda read: read.offset > 0 or read.length is not None),
        (Capability.VERSIONS, lambda read: bool(read.version)),
    ),
    Write: (
        (Capability.UPLOADS, lambda write: write.upload is not None),
        (Capability.RESUME, lambda write: write.prefix is not None),
        (Capability.BACKUP, lambda write: write.backup is not None),
    ),
    WriteMany: ((Capability.BACKUP, lambda write: write.backup is not None),),
    Stat: (
        (Capability.RESUME, lambda stat: stat.partial),
        (Capability.UPLOADS, lambda stat: stat.parts),
    ),
    Sum: ((Capability.VERSIONS, lambda asked: asked.version is not None),),
    Remove: ((Capability.OTHERS, lambda remove: remove.kind in OTHER_KINDS),),
}


def refuse_lacking(request: Request, lacks: frozenset[Capability]) -> None:
    """Raise `RequestRefused` if the request uses a capability that the store lacks."""
    for capability in used_by(request) if lacks else ():
        if capability in lacks:
            raise RequestRefused(
                ErrorCode.UNSUPPORTED, told=f"this needs the capability {capability}, which the store lacks"
            )


def used_by(request: Request) -> Iterator[Capability]:
    """Yield every capability that the request uses, by its type and by its fields; maybe more than once.

    `Request.needs` is one of them, or the only one that a client has to wait for.
    """
    if request.TYPE.capability is not None:
        yield request.TYPE.capability
    for capability, is_used in _BY_FIELD.get(type(request), ()):
        if is_used(request):
            yield capability
