"""REMOVE, RENAME, MKDIR and SETATTR: each one call of the store's, answered by OK.

Rights are asked for before the store is, so that a refusal tells nothing of what is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secftp.errors import Forbidden
from secftp.messages import MakeDirectory, Ok, Remove, Rename, SetAttributes
from secftp.server.requests.context import Outcome, name_of
from secftp.server.requests.serve import handles
from secftp.storage.attributes import ALL_KEPT

if TYPE_CHECKING:
    from secftp.server.requests.context import RequestContext
    from secftp.storage.attributes import Kept


@handles(Remove)
def remove(context: RequestContext, request: Remove) -> Outcome:
    """Take away a file or an empty folder."""
    context.log.line(f"Client requested to remove: {name_of(request.path)}")
    context.require("delete")
    if context.completed.contains(request.token):
        return _done(context, request.id, "Removed before.")
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
    """Give another name; the old one is gone and the new one there, so it takes the rights for both."""
    context.log.line(f"Client requested to rename: {name_of(request.path)} to: {name_of(request.to)}")
    context.require("write", "delete")
    if context.completed.contains(request.token):
        return _done(context, request.id, "Renamed before.")
    with context.replacing(wanted=request.overwrite) as overwrite:
        context.store.rename(request.path, request.to, overwrite=overwrite)
    context.completed.note(request.token)
    return _done(context, request.id, "Renamed.")


@handles(MakeDirectory)
def make_folder(context: RequestContext, request: MakeDirectory) -> Outcome:
    """Make a folder."""
    context.log.line(f"Client requested to make folder: {name_of(request.path)}")
    context.require("write")
    if context.completed.contains(request.token):
        return _done(context, request.id, "Folder made before.")
    if context.store.make_directory(request.path, parents=request.parents, mode=request.mode):
        context.note_created(request.path, is_directory=True)
    if request.fill and context.rights.overwrite:
        context.writable.begin(request.path)
    context.completed.note(request.token)
    return _done(context, request.id, "Folder made.")


@handles(SetAttributes)
def set_attributes(context: RequestContext, request: SetAttributes) -> Outcome:
    """Set permissions and time of what is there, which is to replace a part of it, unless this session has made it.

    What is so already may be asked for once more: a tree is sent again, or an answer was lost. Only a client that may
    look at it is told so.
    """
    context.log.line(f"Client requested to set attributes: {name_of(request.path)}")
    context.require("write")
    own = None
    if not context.rights.overwrite:
        own = context.created.find(request.path)
        if own is None:
            _require_so(context, request)
            return _done(context, request.id, "Attributes are set already.")
    kept = context.store.set_attributes(request.path, mode=request.mode, mtime_ns=request.mtime_ns, only=own)
    if request.mode is not None:
        context.writable.end(request.path)
    return _done(context, request.id, "Attributes set.", kept)


def _require_so(context: RequestContext, request: SetAttributes) -> None:
    """Raise `Refused` unless a client that may look at it asks for the attributes that are set."""
    may_look = context.rights.read or context.rights.list
    if not may_look or not context.store.has_attributes(request.path, mode=request.mode, mtime_ns=request.mtime_ns):
        context.require("overwrite")


def _done(context: RequestContext, request: int, line: str, kept: Kept = ALL_KEPT) -> Outcome:
    context.channel.send(Ok(id=request, time_changed=not kept.time, mode_changed=not kept.mode))
    context.log.line(line)
    return Outcome()
