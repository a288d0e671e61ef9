"""Reasons beside error codes: each kind of failure has one true sentence, and none discloses a secret."""

from __future__ import annotations

import errno
import os

import pytest

from secftp import errors
from secftp.client.failures import hint_for
from secftp.errors import Reason
from secftp.protocol import (
    Copy,
    Error,
    ErrorCode,
    Files,
    List,
    MakeDirectory,
    NewFile,
    Read,
    ReadMany,
    Remove,
    Rename,
    Results,
    SetAttributes,
    Space,
    Stat,
    Sum,
    Write,
    WriteMany,
    code_for,
    encode,
    exception_for,
    reason_for,
    text_for,
)
from secftp.protocol.errors import _REASONS
from secftp.server.access import Rights
from secftp.storage.errors import translate
from tests.support.requests_at import ALL, served
from tests.support.serving import digest_of

# What looks at a name, and must not tell a symlink from nothing, wherever in the path it stands.
LOOKING = {
    "READ": lambda path: Read(id=1, path=path),
    "READMANY": lambda path: ReadMany(id=1, paths=(path,)),
    "SUM": lambda path: Sum(id=1, path=path),
    "STAT": lambda path: Stat(id=1, path=path),
    "STAT of a partial": lambda path: Stat(id=1, path=path, partial=True),
    "SPACE": lambda path: Space(id=1, path=path),
    "LIST": lambda path: List(id=1, path=path),
    "LIST of all": lambda path: List(id=1, path=path, recursive=True),
    "REMOVE": lambda path: Remove(id=1, path=path),
    "RENAME": lambda path: Rename(id=1, path=path, to=(b"free",)),
    "COPY": lambda path: Copy(id=1, path=path, to=(b"free",)),
    "SETATTR": lambda path: SetAttributes(id=1, path=path, mode=0o600),
    "WRITE below": lambda path: Write(id=1, path=(*path, b"x"), size=0),
    "WRITEMANY below": lambda path: WriteMany(id=1, files=(NewFile((*path, b"x"), b"", digest_of(b"")),)),
    "MKDIR below": lambda path: MakeDirectory(id=1, path=(*path, b"x")),
    "RENAME to below": lambda path: Rename(id=1, path=(b"file",), to=(*path, b"x")),
    "COPY to below": lambda path: Copy(id=1, path=(b"file",), to=(*path, b"x")),
}


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "root"
    (root / "dir" / "sub").mkdir(parents=True)
    (root / "file").write_bytes(b"x")
    (root / "other").write_bytes(b"x")
    os.mkfifo(root / "fifo")
    for name, place in {"to-file": "file", "to-dir": "dir", "dangling": "nowhere", "loop": "loop"}.items():
        (root / name).symlink_to(place)
    return root


def answer(root, request, rights=ALL):
    with served(root, rights=rights) as server:
        wire = server.wire()
        wire.send(request)
        return wire.receive()


@pytest.mark.parametrize("link", ["to-file", "to-dir", "dangling", "loop"])
@pytest.mark.parametrize("request_", LOOKING)
def test_a_symlink_is_not_told_from_what_does_not_exist(root, request_, link):
    make = LOOKING[request_]
    missing, found = (encode(answer(root, make((name,)))) for name in (b"missing", os.fsencode(link)))
    assert found == missing


def test_with_not_found_goes_one_reason_only_which_tells_nothing_of_a_symlink():
    assert {reason for code, reason in _REASONS if code is ErrorCode.NOT_FOUND} == {Reason.NO_PARENT}


# Requests, and what is said of them: code, reason, and whether it is about the new name.
NAMES = (b"n" * 255, b"r")
CASES = {
    "a missing parent of a file": (Write(id=1, path=(b"no", b"x"), size=0), "not_found", "no_parent", False),
    "a file as a parent of a file": (Write(id=1, path=(b"file", b"x"), size=0), "not_folder", "no_parent", False),
    "a file over a directory": (Write(id=1, path=(b"dir",), size=0), "is_folder", None, False),
    "a file over a symlink": (Write(id=1, path=(b"to-file",), size=0), "forbidden", "symlink", False),
    "a file over a FIFO": (Write(id=1, path=(b"fifo",), size=0), "forbidden", "special", False),
    "a file that is there": (Write(id=1, path=(b"file",), size=0, overwrite=False), "exists", None, False),
    "a reserved name": (Write(id=1, path=(b".secftp-x",), size=0), "bad_name", "reserved_name", False),
    "READ of a FIFO": (Read(id=1, path=(b"fifo",)), "forbidden", "special", False),
    "READ below a file": (Read(id=1, path=(b"file", b"x")), "not_folder", "no_parent", False),
    "READ of what is missing": (Read(id=1, path=(b"no",)), "not_found", None, False),
    "LIST of a file": (List(id=1, path=(b"file",)), "not_folder", None, False),
    "MKDIR over a file": (MakeDirectory(id=1, path=(b"file",)), "exists", "file", False),
    "MKDIR over a directory": (MakeDirectory(id=1, path=(b"dir",)), "exists", "directory", False),
    "MKDIR over a symlink": (MakeDirectory(id=1, path=(b"to-dir",)), "exists", "symlink", False),
    "MKDIR -p over a symlink": (MakeDirectory(id=1, path=(b"to-dir",), parents=True), "exists", "symlink", False),
    "MKDIR over a FIFO": (MakeDirectory(id=1, path=(b"fifo",)), "exists", "special", False),
    "MKDIR without parents": (MakeDirectory(id=1, path=(b"no", b"x")), "not_found", "no_parent", False),
    "MKDIR -p below file": (MakeDirectory(id=1, path=(b"file", b"x"), parents=True), "not_folder", "no_parent", False),
    "RENAME of what is missing": (Rename(id=1, path=(b"no",), to=(b"x",)), "not_found", None, False),
    "RENAME into what is missing": (Rename(id=1, path=(b"file",), to=(b"no", b"x")), "not_found", "no_parent", True),
    "RENAME below a file": (Rename(id=1, path=(b"file",), to=(b"other", b"x")), "not_folder", "no_parent", True),
    "RENAME into itself": (Rename(id=1, path=(b"dir",), to=(b"dir", b"sub", b"x")), "forbidden", "into_itself", False),
    "RENAME onto a file": (Rename(id=1, path=(b"file",), to=(b"other",)), "exists", None, True),
    "RENAME of a directory onto a file": (
        Rename(id=1, path=(b"dir",), to=(b"file",), overwrite=True), "exists", "file", True,
    ),
    "RENAME onto a directory": (Rename(id=1, path=(b"file",), to=(b"dir",)), "exists", "directory", True),
    "RENAME over a directory": (
        Rename(id=1, path=(b"file",), to=(b"dir",), overwrite=True), "is_folder", None, True,
    ),
    "RENAME over a symlink": (
        Rename(id=1, path=(b"file",), to=(b"to-file",), overwrite=True), "forbidden", "symlink", True,
    ),
    "RENAME over a FIFO": (Rename(id=1, path=(b"file",), to=(b"fifo",), overwrite=True), "forbidden", "special", True),
    "RENAME to a reserved name": (Rename(id=1, path=(b"file",), to=(b".secftp-x",)), "bad_name", "reserved_name", True),
    "COPY of what is missing": (Copy(id=1, path=(b"no",), to=(b"x",)), "not_found", None, False),
    "COPY below a file": (Copy(id=1, path=(b"file", b"x"), to=(b"x",)), "not_folder", "no_parent", False),
    "COPY of a directory": (Copy(id=1, path=(b"dir",), to=(b"x",)), "is_folder", None, False),
    "COPY of a FIFO": (Copy(id=1, path=(b"fifo",), to=(b"x",)), "forbidden", "special", False),
    "COPY into what is missing": (Copy(id=1, path=(b"file",), to=(b"no", b"x")), "not_found", "no_parent", True),
    "COPY to below a file": (Copy(id=1, path=(b"file",), to=(b"other", b"x")), "not_folder", "no_parent", True),
    "COPY onto a file": (Copy(id=1, path=(b"file",), to=(b"other",), overwrite=False), "exists", None, True),
    "COPY onto itself": (Copy(id=1, path=(b"file",), to=(b"file",)), "forbidden", "same_file", True),
    "COPY over a directory": (Copy(id=1, path=(b"file",), to=(b"dir",)), "is_folder", None, True),
    "COPY over a symlink": (Copy(id=1, path=(b"file",), to=(b"to-file",)), "forbidden", "symlink", True),
    "COPY over a FIFO": (Copy(id=1, path=(b"file",), to=(b"fifo",)), "forbidden", "special", True),
    "COPY to a reserved name": (Copy(id=1, path=(b"file",), to=(b".secftp-x",)), "bad_name", "reserved_name", True),
    "REMOVE of a full directory": (Remove(id=1, path=(b"dir",)), "not_empty", None, False),
    "SETATTR of a FIFO": (SetAttributes(id=1, path=(b"fifo",), mode=0o600), "forbidden", "special", False),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_said_of(root, case):
    request, code, reason, target = CASES[case]
    assert answer(root, request) == Error(id=1, code=code, text=text_for(ErrorCode(code)), reason=reason, target=target)


def test_files_that_travel_together_have_the_reasons_that_they_would_have_alone(root):
    names = [(b"no", b"x"), (b"dir",), (b"to-file",), (b"fifo",), (b"file", b"x"), (b"fresh",)]
    files = tuple(NewFile(name, b"", digest_of(b"")) for name in names)
    found = answer(root, WriteMany(id=1, files=files))
    alone = [answer(root, Write(id=1, path=name, size=0)) for name in names[:-1]]
    assert isinstance(found, Results)
    assert found.codes == (*(each.code for each in alone), None)
    assert found.reasons == tuple(each.reason for each in alone)
    read = answer(root, ReadMany(id=1, paths=((b"file",), (b"fifo",), (b"file", b"x"), (b"no",))))
    assert isinstance(read, Files)
    assert [file.code for file in read.files] == [None, "forbidden", "not_folder", "not_found"]
    assert read.reasons == (None, "special", "no_parent", None)


def test_what_has_no_room_is_left_out_and_the_codes_are_all_there(root):
    files = tuple(NewFile((b"no", b"%d" % number), b"", digest_of(b"")) for number in range(1024))
    found = answer(root, WriteMany(id=1, files=files))
    assert found.codes == ("not_found",) * 1024
    assert 0 < len(found.reasons) < 1024
    assert set(found.reasons) == {"no_parent"}
    assert len(encode(found)[2]) <= 16384


# --- rights -----------------------------------------------------------------------------------------------------------

RIGHTS = {
    "read": (Read(id=1, path=(b"file",)), ErrorCode.FORBIDDEN),
    "list": (List(id=1), ErrorCode.FORBIDDEN),
    "write": (MakeDirectory(id=1, path=(b"new",)), ErrorCode.FORBIDDEN),
    "delete": (Remove(id=1, path=(b"file",)), ErrorCode.FORBIDDEN),
    "overwrite": (SetAttributes(id=1, path=(b"file",), mode=0o600), ErrorCode.FORBIDDEN),
}
WORDS = {"delete": "remove"}


@pytest.mark.parametrize("right", RIGHTS)
def test_a_missing_right_says_so(root, right):
    request, code = RIGHTS[right]
    found = answer(root, request, ALL._replace(**{right: False}))
    assert (found.code, found.reason) == (code, f"may_not_{right}")
    problem = exception_for(found.code, (b"file",), found.reason)
    assert str(problem) == f"file: this key may not {WORDS.get(right, right)}."
    assert problem.hint
    anonymous = answer(root, request, ALL._replace(**{right: False}, keyed=False))
    assert (anonymous.code, anonymous.reason) == (code, None)


@pytest.mark.parametrize(
    "request_",
    [
        Write(id=1, path=(b"file",), size=0),
        WriteMany(id=1, files=(NewFile((b"file",), b"", digest_of(b"")),)),
        Rename(id=1, path=(b"other",), to=(b"file",), overwrite=True),
        Copy(id=1, path=(b"other",), to=(b"file",)),
    ],
    ids=["WRITE", "WRITEMANY", "RENAME", "COPY"],
)
def test_to_replace_without_the_right_is_told_from_a_wish_not_to(root, request_):
    found = answer(root, request_, ALL._replace(overwrite=False))
    told = (found.codes, found.reasons) if isinstance(found, Results) else ((found.code,), (found.reason,))
    assert told == (("exists",), ("may_not_overwrite",))
    wish = type(request_)(
        **{name: getattr(request_, name) for name in request_.__struct_fields__} | {"overwrite": False}
    )
    found = answer(root, wish, ALL._replace(overwrite=False))
    told = (found.codes, found.reasons) if isinstance(found, Results) else ((found.code,), (found.reason,))
    assert told in [(("exists",), ()), (("exists",), (None,))]


def test_one_who_may_only_read_is_told_so(root):
    only = Rights(read=True, write=False, overwrite=False, list=True, delete=False)
    for request, reason in (
        (Write(id=1, path=(b"x",), size=0), "may_not_write"),
        (RIGHTS["delete"][0], "may_not_delete"),
    ):
        found = answer(root, request, only)
        assert (found.code, found.reason) == (ErrorCode.READ_ONLY, reason)


# --- errors of the system ---------------------------------------------------------------------------------------------

SYSTEM = {
    errno.EXDEV: "another file system",
    errno.EROFS: "read-only",
    errno.EBUSY: "using it",
    errno.ETXTBSY: "running",
    errno.EACCES: "permission",
    errno.EPERM: "permission",
    errno.ENAMETOOLONG: "too long",
    errno.EILSEQ: "store its name",
    errno.ENOSPC: "no space",
    errno.EDQUOT: "disk quota",
    errno.EFBIG: "maximum file size",
    errno.ENOTEMPTY: "not empty",
    errno.EISDIR: "directory",
    errno.EEXIST: "already exists",
    errno.ENOENT: "no such file",
    errno.EIO: "input/output error",
    errno.ENXIO: "device",
}


@pytest.mark.parametrize("number", SYSTEM)
def test_each_number_of_the_system_has_its_sentence_and_a_hint_at_either_end(number):
    here = translate(OSError(number, os.strerror(number)), (b"x",))
    code = code_for(here)
    there = exception_for(code, (b"x",), reason_for(here, code))
    assert SYSTEM[number] in str(there)
    assert "permission denied" not in str(there)
    assert type(here) is type(there)
    assert here.errno == there.errno
    for problem in (here, there):
        hint = problem.hint or hint_for(problem)
        assert hint
        assert "no-clobber" not in hint or number == errno.EEXIST
    assert "server" not in (here.hint or hint_for(here))


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EAGAIN, errno.ENODATA, errno.EMFILE])
def test_the_disk_is_blamed_for_what_a_disk_does_alone(number):
    """Files of proc and sysfs refuse with numbers of all kinds."""
    assert "disk" not in hint_for(translate(OSError(number, ""), "x"))
    assert "disk" in hint_for(translate(OSError(errno.EIO, ""), "x"))


def test_a_file_itself_is_told_of_where_a_directory_was_wanted():
    assert str(exception_for(ErrorCode.NOT_DIRECTORY, "x")) == "x: it, or a part of its path, is not a directory."


def test_a_symlink_is_no_such_file_at_the_server_whatever_the_number():
    for number in (errno.ELOOP, errno.EMLINK):
        here = translate(OSError(number, ""), (b"x",))
        assert (code_for(here), reason_for(here, ErrorCode.NOT_FOUND)) == (ErrorCode.NOT_FOUND, None)


@pytest.mark.parametrize("reason", ["nonsense", "symlink", "may_not_read", "\x1b[2J", None])
def test_a_reason_that_does_not_go_with_the_code_adds_nothing(reason):
    plain = exception_for(ErrorCode.NOT_FOUND, "x")
    found = exception_for(ErrorCode.NOT_FOUND, "x", reason)
    assert (str(found), found.hint, found.reason) == (str(plain), plain.hint, None)


def test_every_sentence_is_told_from_every_other():
    texts = [text for text, _ in _REASONS.values()] + [text_for(code) for code in ErrorCode]
    assert len(texts) - len(set(texts)) == 1, "the same words for a symlink that has a name, under two codes"
    for text, hint in _REASONS.values():
        assert text.isascii()
        assert len(text) <= 200
        assert hint.endswith(".")


def test_an_exception_says_its_reason():
    assert issubclass(errors.FileError, OSError)
    assert exception_for(ErrorCode.FORBIDDEN, "x", "busy").errno == errno.EBUSY
