"""Requests that the server refuses or aborts, and the error codes for what went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secftp.errors import FileError
from secftp.protocol import Error, clause_for, code_for, reason_for, text_for

if TYPE_CHECKING:
    from secftp.errors import Reason
    from secftp.protocol import ErrorCode


class RequestRefused(FileError):
    """A request that the server refuses or aborts, for a reason that does not come from a file.

    `told`: what only the log says.
    """

    def __init__(self, code: ErrorCode, reason: Reason | None = None, *, told: str = "") -> None:
        super().__init__(text_for(code), reason=reason)
        self.code = code
        self.told = told


class RequestInterrupted(RequestRefused):
    """A request that is aborted because the client has cancelled it, or the server stops."""


def code_of(problem: FileError) -> ErrorCode:
    """Return the error code for a failure."""
    return problem.code if isinstance(problem, RequestRefused) else code_for(problem)


def error_fields(problem: FileError) -> tuple[ErrorCode, Reason | None]:
    """Return the error code for a failure, and the reason if there is one for that code."""
    code = code_of(problem)
    return code, reason_for(problem, code)


def log_line_for(problem: FileError) -> str:
    """Return the line of the log about a refused request: the code's meaning, and what is known beyond that."""
    code, reason = error_fields(problem)
    meaning = text_for(code)
    more = problem.told or clause_for(code, reason)
    return f"Refused: {more}" if more.startswith(meaning) else f"Refused: {meaning}: {more}"


def error_for(request: int, problem: FileError) -> Error:
    """Return the ERROR for a request that failed."""
    code, reason = error_fields(problem)
    return Error(id=request, code=code, text=text_for(code), reason=reason, target=problem.of_target)
