"""Dispatch of requests to their handlers, and of what a handler returns or raises to the reply and the log.

A handler declares itself with `handles`. It answers the request, or raises before it has; a `FileError` is answered
with ERROR, and the session goes on. Invariant: each request is answered once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from secftp.errors import FileError, ProtocolError
from secftp.protocol import Copy, Rename, Request
from secftp.server.log_format import Operation
from secftp.server.requests.capabilities import refuse_lacking
from secftp.server.requests.context import Outcome, RequestContext
from secftp.server.requests.refusals import code_of, error_for, log_line_for
from secftp.text import format_size
from secftp.transport.file_data import discard_file

if TYPE_CHECKING:
    from secftp.transport import Received

_Request = TypeVar("_Request", bound=Request)
_Handler: TypeAlias = Callable[[RequestContext, _Request], Outcome | None]

_HANDLERS: Final[dict[type[Any], _Handler[Any]]] = {}


def handles(request: type[_Request]) -> Callable[[_Handler[_Request]], _Handler[_Request]]:
    """Declare a function as the handler of a request; it returns None if it has logged the operations itself."""

    def declare(handler: _Handler[_Request]) -> _Handler[_Request]:
        _HANDLERS[request] = handler
        return handler

    return declare


def serve(context: RequestContext, request: Received, handler: _Handler[Any] | None = None) -> None:
    """Answer one request. Raises `ProtocolError` for any other message, and what else ends the session.

    `handler`: in place of the declared one.
    """
    handler = handler or _HANDLERS.get(type(request))
    if handler is None or not isinstance(request, Request):
        raise ProtocolError("An unexpected message was received.")
    began = time.monotonic()
    try:
        if not request.small_files():  # a batch has several names, and its handler checks it
            refuse_lacking(request, context.lacks)
        outcome = handler(context, request)
    except FileError as problem:
        outcome = _refuse(context, request.id, problem)
    if saved := context.channel.take_saved():
        nbytes = outcome.nbytes if outcome is not None else 0
        context.log.line(f"Compressed {format_size(nbytes)} to {format_size(max(0, nbytes - saved))}.")
    if outcome is not None:
        context.log.operations([_operation(request, outcome, time.monotonic() - began, saved)])


def _refuse(context: RequestContext, request: int, problem: FileError) -> Outcome:
    code = code_of(problem)
    context.channel.send(error_for(request, problem))
    context.log.line(log_line_for(problem))
    # After an error before the end of a WRITE, the rest of the file is still arriving.
    if context.channel.receiving_file:
        context.channel.flush()
        discard_file(context.channel)
    return Outcome(code=code)


def _operation(request: Any, outcome: Outcome, seconds: float, saved: int) -> Operation:
    return Operation(
        name=request.TYPE.name.lower(),
        path=request.path,
        result=outcome.code or "ok",
        seconds=seconds,
        nbytes=outcome.nbytes,
        digest=outcome.digest,
        moved=outcome.moved,
        at=outcome.at,
        whole=outcome.whole,
        version=outcome.version,
        held=outcome.held,
        to=request.to if isinstance(request, Rename | Copy) else None,
        saved=saved,
    )
