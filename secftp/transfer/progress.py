"""What a transfer tells whoever watches it: how far it is. How that is shown is the watcher's business."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called with the bytes done and the bytes in all (None while nobody knows), about once a batch of 1 MiB."""

    def __call__(self, done: int, total: int | None, /) -> None:
        """Take note; must return at once, since the transfer waits for it."""
        ...


def unwatched(_done: int, _total: int | None, /) -> None:
    """The progress of a transfer that nobody watches."""
