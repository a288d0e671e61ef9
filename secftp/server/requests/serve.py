"""From a request to its handler, and from what a handler says or raises to the answer and the record of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from secftp.errors import FileError, ProtocolError
from secftp.messages import (
    List,
    MakeDirectory,
    Message,
    Read,
    ReadMany,
    Remove,
    Rename,
    SetAttributes,
    Stat,
    Sum,
    Write,
    WriteMany,
    text_for,
)
from secftp.server.log import Operation
from secftp.server.requests.batch import read_many, write_many
from secftp.server.requests.change import make_folder, remove, rename, set_attributes
from secftp.server.requests.context import Outcome, RequestContext, code_of, error_for
from secftp.server.requests.listing import list_folder, stat
from secftp.server.requests.read import read, sum_up
from secftp.server.requests.write import write
from secftp.transfer import discard_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.channel import Received

    _Handle: TypeAlias = Callable[[RequestContext, Any], Outcome]


class _Handler(NamedTuple):
    """`name` is what records call the request; `handle` answers it, or raises before it has."""

    name: str
    handle: _Handle


_HANDLERS: dict[type[Message], _Handler] = {
    Read: _Handler("read", read),
    Write: _Handler("write", write),
    Stat: _Handler("stat", stat),
    List: _Handler("list", list_folder),
    Remove: _Handler("remove", remove),
    Rename: _Handler("rename", rename),
    MakeDirectory: _Handler("mkdir", make_folder),
    Sum: _Handler("sum", sum_up),
    SetAttributes: _Handler("setattr", set_attributes),
}


def serve(desk: RequestContext, request: Received) -> None:
    """Answer one request. Raises what ends the session."""
    match request:
        case WriteMany():
            write_many(desk, request)
        case ReadMany():
            read_many(desk, request)
        case _:
            _serve_one(desk, request)


def _serve_one(desk: RequestContext, request: Any) -> None:
    handler = _HANDLERS.get(type(request))
    if handler is None:
        raise ProtocolError("A message came that no server serves.")
    began = time.monotonic()
    try:
        outcome = handler.handle(desk, request)
    except FileError as problem:
        outcome = _refuse(desk, request.id, problem)
    seconds = time.monotonic() - began
    desk.log.operations([_operation(handler.name, request, outcome, seconds)])


def _refuse(desk: RequestContext, request: int, problem: FileError) -> Outcome:
    code = code_of(problem)
    desk.channel.send(error_for(request, problem))
    desk.log.line(f"Refused: {text_for(code)}")
    # After an error before the end of a WRITE, the rest of the file is still on its way.
    if desk.channel.receiving_file:
        desk.channel.flush()
        discard_file(desk.channel)
    return Outcome(code=code)


def _operation(name: str, request: Any, outcome: Outcome, seconds: float) -> Operation:
    return Operation(
        name=name,
        path=request.path,
        result=outcome.code or "ok",
        seconds=seconds,
        nbytes=outcome.nbytes,
        digest=outcome.digest,
        moved=outcome.moved,
        to=request.to if isinstance(request, Rename) else None,
    )
