"""STAT and LIST: metadata of files and directories.

A listing has no bound: it is read and sent a message at a time, as fast as the client takes it.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from secftp.errors import FileError, NameRefused, TooLarge
from secftp.protocol import Capability, Entries, Info, List, Listed, Part, Right, Stat
from secftp.protocol.limits import MAX_BULK, MAX_ENTRIES
from secftp.server.requests.context import Outcome, name_of
from secftp.server.requests.refusals import code_of
from secftp.server.requests.serve import handles

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from secftp.server.requests.context import RequestContext
    from secftp.storage import FileInfo
    from secftp.storage.store import ScanEntry
    from secftp.storage.upload_map import KeptParts

_ENVELOPE_BYTES: Final = 64  # of ENTRIES around its entries, at most
_ENTRY_BYTES: Final = 44  # of an entry around its names, at most
_NAME_BYTES: Final = 2  # of a name around its bytes
# Entries after which a CANCEL is looked for, besides after every message: a slow disk takes long for one.
_CHECK_ENTRIES: Final = 256


class Looked(NamedTuple):
    """What a store has said of a file."""

    info: FileInfo
    kept: KeptParts | None = None


@handles(Stat)
def stat(context: RequestContext, request: Stat) -> Outcome:
    """Answer STAT with INFO."""
    return answer_stat(context, request, lambda: look(context, request))


def look(context: RequestContext, request: Stat) -> Looked:
    """Ask the store, if the client may."""
    # The right to read includes metadata, and the right to write that of a partial file.
    if not context.rights.read and not (request.partial and context.rights.write):
        context.require(Right.LIST)
    kept = context.store.kept_parts(request.path) if request.parts else None
    return Looked(context.store.stat(request.path, partial=request.partial) if kept is None else kept.info, kept)


def answer_stat(context: RequestContext, request: Stat, find: Callable[[], Looked]) -> Outcome:
    """Answer STAT with what `find` returns."""
    context.log.line(f"Client requesting metadata: {name_of(request.path)}")
    info, kept = find()
    if info.size is None:
        raise TooLarge("The system does not report its size, and it is too large to be counted.")
    total, ranges = (None, ()) if kept is None else (kept.total, kept.ranges)
    parts = tuple(Part(at, end - at) for at, end in ranges)
    context.channel.send(
        Info(
            id=request.id,
            kind=info.kind,
            size=info.size,
            mtime_ns=info.mtime_ns,
            mode=info.mode,
            total=total,
            parts=parts,
        )
    )
    return Outcome()


@handles(List)
def list_directory(context: RequestContext, request: List) -> Outcome:
    """Answer LIST with ENTRIES; an error after the first of them is an ERROR behind them."""
    return answer_list(context, request, lambda: scan(context, request))


def answer_list(
    context: RequestContext, request: List, begin: Callable[[], Generator[ScanEntry, None, None]]
) -> Outcome:
    """Answer LIST with the entries that `begin` returns, which are closed behind the last."""
    context.log.line(f"Client requesting listing: {name_of(request.path)}")
    context.require(Right.LIST)
    context.check(request.id)
    entries: list[Listed] = []
    with contextlib.closing(begin()) as scanned:
        try:
            count = _send_parts(context, request, scanned, entries)
        except FileError:
            if entries:
                context.channel.send(Entries(id=request.id, entries=tuple(entries)))
            raise
    context.channel.send(Entries(id=request.id, entries=tuple(entries), last=True))
    context.log.line(f"Listing sent, entries: {count}")
    return Outcome()


def scan(context: RequestContext, request: List) -> Generator[ScanEntry, None, None]:
    """Begin to list what the request asks for."""
    others = request.others and Capability.OTHERS not in context.lacks
    scanned = context.store.scan(request.path, recursive=request.recursive, others=others)
    return cast("Generator[ScanEntry, None, None]", scanned)


def _send_parts(
    context: RequestContext, request: List, scanned: Generator[ScanEntry, None, None], entries: list[Listed]
) -> int:
    """Send full messages, and return the number of entries; those of the last message stay in `entries`."""
    room = MAX_BULK - _ENVELOPE_BYTES
    count = 0
    for number, found in enumerate(scanned, 1):
        if number % _CHECK_ENTRIES == 0:
            context.check(request.id)
        listed = _listed(found)
        if listed is None:
            continue
        size = _ENTRY_BYTES + sum(map(len, listed.path)) + _NAME_BYTES * len(listed.path)
        if size > room or len(entries) == MAX_ENTRIES:
            _send(context, request, entries)
            entries.clear()
            room = MAX_BULK - _ENVELOPE_BYTES
        entries.append(listed)
        room -= size
        count += 1
    return count


def _send(context: RequestContext, request: List, entries: list[Listed]) -> None:
    """Send a message at once, so that the client reads while the scan goes on."""
    context.channel.send(Entries(id=request.id, entries=tuple(entries)))
    context.channel.flush()
    context.check(request.id)


def _listed(found: ScanEntry) -> Listed | None:
    """Return the entry for the client; None if its name can't be sent."""
    path, info = found.path, found.info
    code = None if found.problem is None else code_of(found.problem)
    try:
        if info is None:
            return Listed(path, None, code=code)
        return Listed(path, info.kind, info.size or 0, info.mtime_ns, info.mode, code)
    except NameRefused:
        return None
