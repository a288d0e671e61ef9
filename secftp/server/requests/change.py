"""REMOVE, RENAME, MKDIR and SETATTR: each is one call of the store, answered by OK.

Rights are checked before the store is called, so that a refusal reveals nothing of what exists. A request that a client
repeats over a new connection may arrive while the first one is still carried out: it waits for that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secftp.errors import Forbidden
from secftp.protocol import MakeDirectory, Ok, Remove, Rename, Right, SetAttributes
from secftp.server.requests.context import Outcome, name_of
from secftp.server.requests.serve import handles
from secftp.storage.attributes import ALL_KEPT

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from secftp.server.requests.context import RequestContext
    from secftp.storage.attributes import Identity, Kept


@handles(Remove)
def remove(context: RequestContext, request: Remove) -> Outcome:
    """Remove a file or an empty directory."""
    context.log.line(f"Client requested to remove: {name_of(request.path)}")
    context.require(Right.DELETE)
    with _once(context, request):
        if context.completed.contains(request.token):
            return _done(context, request.id, "Already removed.")
        try:
            context.store.remove(request.path, kind=request.kind)
        except Forbidden:
            if not request.tree or len(request.path) < 2 or not context.writable.begin(request.path[:-1]):  # noqa: PLR2004
                raise
            context.store.remove(request.path, kind=request.kind)
        context.completed.note(request.token)
    context.writable.end(request.path)
    return _done(context, request.id, "Removed.")


@handles(Rename)
def rename(context: RequestContext, request: Rename) -> Outcome:
    """Rename a file or directory: it removes one name and creates the other, and needs the rights for both."""
    context.log.line(f"Client requested to rename: {name_of(request.path)} to: {name_of(request.to)}")
    context.require(Right.WRITE, Right.DELETE)
    with _once(context, request):
        if context.completed.contains(request.token):
            return _done(context, request.id, "Already renamed.")
        with context.replacing(wanted=request.overwrite) as overwrite:
            context.store.rename(request.path, request.to, overwrite=overwrite)
        context.completed.note(request.token)
    return _done(context, request.id, "Renamed.")


@handles(MakeDirectory)
def make_directory(context: RequestContext, request: MakeDirectory) -> Outcome:
    """Create a directory."""
    return answer_make_directory(
        context,
        request,
        lambda: context.store.make_directory(request.path, parents=request.parents, mode=request.mode),
    )


def answer_make_directory(context: RequestContext, request: MakeDirectory, make: Callable[[], bool]) -> Outcome:
    """Answer MKDIR; `make` creates the directory, or has done so, and returns whether it was missing."""
    context.log.line(f"Client requested to make directory: {name_of(request.path)}")
    context.require(Right.WRITE)
    with _once(context, request):
        if context.completed.contains(request.token):
            return _done(context, request.id, "Directory already made.")
        if make():
            context.note_created(request.path, is_directory=True)
        if request.fill and context.rights.overwrite:
            context.writable.begin(request.path)
        context.completed.note(request.token)
    return _done(context, request.id, "Directory made.")


@handles(SetAttributes)
def set_attributes(context: RequestContext, request: SetAttributes) -> Outcome:
    """Set permissions and time, which needs the right to overwrite unless this session has created the path.

    Attributes that are set already may be requested again (a tree is sent again, an answer was lost), but only by a
    client that may read or list them.
    """
    return answer_set_attributes(
        context,
        request,
        lambda own: context.store.set_attributes(request.path, mode=request.mode, mtime_ns=request.mtime_ns, only=own),
    )


def answer_set_attributes(
    context: RequestContext, request: SetAttributes, set_them: Callable[[Identity | None], Kept]
) -> Outcome:
    """Answer SETATTR; `set_them` sets the attributes, of this file alone if there is one, or has done so."""
    context.log.line(f"Client requested to set attributes: {name_of(request.path)}")
    context.require(Right.WRITE)
    own = None
    if not context.rights.overwrite:
        own = context.created.find(request.path)
        if own is None:
            _require_already_set(context, request)
            return _done(context, request.id, "Attributes already set.")
    kept = set_them(own)
    if request.mode is not None:
        context.writable.end(request.path)
    return _done(context, request.id, "Attributes set.", kept)


def _require_already_set(context: RequestContext, request: SetAttributes) -> None:
    """Raise `RequestRefused` unless the attributes are set already, and the client may read or list them."""
    may_look = context.rights.read or context.rights.list
    if not may_look or not context.store.has_attributes(request.path, mode=request.mode, mtime_ns=request.mtime_ns):
        context.require(Right.OVERWRITE)


def _once(context: RequestContext, request: Remove | Rename | MakeDirectory) -> AbstractContextManager[None]:
    """A block in which no other session carries out the same request, which a client has repeated there."""
    return context.completed.only_one(request.token, lambda: context.check(request.id))


def _done(context: RequestContext, request: int, line: str, kept: Kept = ALL_KEPT) -> Outcome:
    context.channel.send(Ok(id=request, time_changed=not kept.time, mode_changed=not kept.mode))
    context.log.line(line)
    return Outcome()
