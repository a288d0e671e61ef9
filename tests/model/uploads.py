"""Uploads in parts, section 10.9, as the model's server has them: whole files in memory, one lock around everything."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.model.digest import digest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.model.messages import Message

_AGREED = ("path", "total", "algorithm", "overwrite", "mode", "mtime_ns", "keep")


@dataclass
class Kept:
    """A partial that consists of parts: the bytes, which of them have arrived, and the size of the whole file."""

    data: bytearray
    arrived: bytearray  # one byte for each of the file: 1 has arrived
    total: int
    upload: bytes = b""
    agreed: tuple[Any, ...] = ()

    def ranges(self) -> list[list[int]]:
        """The parts, merged, as [at, size]."""
        found: list[list[int]] = []
        at = self.arrived.find(1)
        while at >= 0:
            end = self.arrived.find(0, at)
            end = len(self.arrived) if end < 0 else end
            found.append([at, end - at])
            at = self.arrived.find(1, end)
        return found

    def concatenated(self) -> bytes:
        return b"".join(bytes(self.data[at : at + size]) for at, size in self.ranges())


@dataclass
class Upload:
    """One upload, from its first part on. `ended`: None, "complete", or the code that it failed with."""

    id: bytes
    kept: Kept
    agreed: tuple[Any, ...]
    whole: bytes | None = None
    ended: str | None = None
    sessions: set[int] = field(default_factory=set)

    def store(self, asked: Message, data: bytes) -> None:
        """What has arrived stays as it is."""
        there = slice(asked.at, asked.at + asked.size)
        if any(self.kept.arrived[there]):
            before = zip(self.kept.arrived[there], self.kept.data[there], data, strict=True)
            data = bytes(old if arrived else new for arrived, old, new in before)
        self.kept.data[there] = data
        self.kept.arrived[there] = b"\1" * asked.size

    @property
    def is_full(self) -> bool:
        return 0 not in self.kept.arrived


def agreed(asked: Message) -> tuple[Any, ...]:
    """The fields in which all parts of an upload agree."""
    return tuple(getattr(asked, name) for name in _AGREED)


class Uploads:
    """The uploads of a server, those that have ended included. The model has one key, so an id is enough."""

    def __init__(self) -> None:
        self.known: dict[bytes, Upload] = {}
        self.completed = 0

    def join(self, asked: Message, session: int, partials: dict[tuple[bytes, ...], bytes | Kept]) -> Upload | str:
        """The upload that a part belongs to; a code if it is refused."""
        found = self.known.get(asked.upload)
        if found is None:
            kept = self._taken_over(asked, partials)
            if isinstance(kept, str):
                return kept
            found = self.known[asked.upload] = Upload(asked.upload, kept, agreed(asked))
        if found.agreed != agreed(asked):
            return "changed"
        found.sessions.add(session)
        return found

    def _taken_over(self, asked: Message, partials: dict[tuple[bytes, ...], bytes | Kept]) -> Kept | str:
        there = partials.get(asked.path)
        if isinstance(there, Kept) and (there.upload, there.agreed) == (asked.upload, agreed(asked)):
            return partials.pop(asked.path)  # type: ignore[return-value] - the same upload, after a restart
        fresh = Kept(bytearray(asked.total), bytearray(asked.total), asked.total)
        if asked.prefix is None:
            if asked.keep and asked.size:
                partials.pop(asked.path, None)
            return fresh
        if there is None:
            return "not_found"
        if isinstance(there, bytes):
            there = Kept(bytearray(there), bytearray(b"\1" * len(there)), len(there))
        end = max((at + size for at, size in there.ranges()), default=0)
        if digest(asked.algorithm, there.concatenated()) != asked.prefix or end > asked.total:
            return "checksum"
        del partials[asked.path]
        for at, size in there.ranges():
            fresh.data[at : at + size] = there.data[at : at + size]
            fresh.arrived[at : at + size] = b"\1" * size
        return fresh

    def leave(self, session: int, partials: dict[tuple[bytes, ...], bytes | Kept], *, but: bytes | None = None) -> None:
        """A session ends, or sends a part of another upload: what no session works on any more is kept or forgotten."""
        for upload in list(self.known.values()):
            if session not in upload.sessions or upload.id == but:
                continue
            upload.sessions.discard(session)
            if not upload.sessions and upload.ended is None:
                del self.known[upload.id]
                path, keep = upload.agreed[0], upload.agreed[-1]
                if keep and any(upload.kept.arrived) and path not in partials:
                    upload.kept.upload, upload.kept.agreed = upload.id, upload.agreed
                    partials[path] = upload.kept

    def under_way(self, path: tuple[bytes, ...]) -> Kept | None:
        """What has arrived of an upload to this name that is not complete."""
        for upload in self.known.values():
            if upload.ended is None and upload.agreed[0] == path and any(upload.kept.arrived):
                return upload.kept
        return None

    def restart(self) -> None:
        """A server that was started again knows no upload; what was kept is there."""
        self.known.clear()


def prefix_of(ranges: Iterable[list[int]]) -> int:
    """How many bytes from the beginning on have arrived."""
    return next((size for at, size in ranges if at == 0), 0)
