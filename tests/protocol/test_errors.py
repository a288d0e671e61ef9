"""Error codes and exceptions: every code has a meaning, and no detail of this machine is sent."""

from __future__ import annotations

import pytest

from secftp import errors
from secftp.protocol import ErrorCode, code_for, exception_for, text_for

PLAIN = {
    ErrorCode.NOT_FOUND: errors.NotFound,
    ErrorCode.FORBIDDEN: errors.Forbidden,
    ErrorCode.BAD_NAME: errors.NameRefused,
    ErrorCode.EXISTS: errors.AlreadyExists,
    ErrorCode.IS_DIRECTORY: errors.IsADirectory,
    ErrorCode.NOT_DIRECTORY: errors.NotADirectory,
    ErrorCode.NO_SPACE: errors.NoSpace,
    ErrorCode.TOO_LARGE: errors.TooLarge,
    ErrorCode.CHANGED: errors.FileChanged,
    ErrorCode.CHECKSUM: errors.ChecksumMismatch,
    ErrorCode.IO_ERROR: errors.InputOutputError,
    ErrorCode.CANCELLED: errors.Cancelled,
    ErrorCode.STOPPING: errors.ServerStopping,
    ErrorCode.NOT_EMPTY: errors.NotEmpty,
    ErrorCode.UNSUPPORTED: errors.Unsupported,
}
SHARED = {
    ErrorCode.READ_ONLY: errors.Forbidden,
    ErrorCode.LIMIT: errors.NoSpace,
}


@pytest.mark.parametrize("code", ErrorCode)
def test_every_code_has_an_exception_and_a_text(code):
    error = exception_for(code, "notes.txt")
    assert type(error) is {**PLAIN, **SHARED}[code]
    assert str(error) == f"notes.txt: {text_for(code)}."
    assert 0 < len(text_for(code)) <= 200
    assert text_for(code).isascii()


def test_every_code_has_its_own_text():
    assert len({text_for(code) for code in ErrorCode}) == len(ErrorCode) == 17


@pytest.mark.parametrize(("code", "kind"), PLAIN.items())
def test_an_exception_has_its_code(code, kind):
    assert code_for(kind("x")) is code


def test_every_file_error_has_a_code():
    kinds = {k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, errors.FileError)}
    assert kinds == {*PLAIN.values(), errors.FileError}


@pytest.mark.parametrize(
    "error",
    [errors.FileError("x"), OSError(5, "/srv/x"), PermissionError("/srv/x"), RuntimeError("x"), errors.CoreError("x")],
)
def test_anything_else_is_an_io_error(error):
    assert code_for(error) is ErrorCode.IO_ERROR


def test_a_subclass_has_the_code_of_its_parent():
    class Missing(errors.NotFound):
        pass

    assert code_for(Missing("x")) is ErrorCode.NOT_FOUND
