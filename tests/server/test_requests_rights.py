"""Authorization: every request under every set of rights, against a table that is independent of the product."""

from __future__ import annotations

import itertools

import pytest

from secftp.protocol import (
    Capacity,
    Copy,
    End,
    Entries,
    Error,
    ErrorCode,
    File,
    Files,
    Info,
    List,
    MakeDirectory,
    NewFile,
    Ok,
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
)
from secftp.server.access import Rights
from secftp.storage import LocalStore
from tests.support.requests_at import ALL, served
from tests.support.serving import digest_of, listing

NEW, OLD = b"new", b"old"


def _new_file(name):
    return NewFile((name,), NEW, digest_of(NEW))


# A request, what it needs, what it is answered with then; with too little for the last of them, what it is instead.
CASES = {
    "READ": (Read(id=1, path=(b"there",)), "read", File),
    "READMANY": (ReadMany(id=1, paths=((b"there",),)), "read", Files),
    "SUM": (Sum(id=1, path=(b"there",)), "read", Ok),
    "LIST": (List(id=1), "list", Entries),
    "STAT": (Stat(id=1, path=(b"there",)), "list|read", Info),
    "STAT of the root": (Stat(id=1), "list|read", Info),
    "STAT of a partial": (Stat(id=1, path=(b"there",), partial=True), "list|read|write", ErrorCode.NOT_FOUND),
    "SPACE": (Space(id=1), "list|read|write", Capacity),
    "WRITE": (Write(id=1, path=(b"fresh",), size=3), "write", Ok),
    "WRITE over": (Write(id=1, path=(b"there",), size=3), "write overwrite", Ok),
    "WRITEMANY": (WriteMany(id=1, files=(_new_file(b"fresh"),)), "write", Results),
    "WRITEMANY over": (WriteMany(id=1, files=(_new_file(b"there"),)), "write overwrite", Results),
    "MKDIR": (MakeDirectory(id=1, path=(b"fresh",)), "write", Ok),
    "SETATTR": (SetAttributes(id=1, path=(b"there",), mode=0o600), "write overwrite", Ok),
    "SETATTR of the root": (SetAttributes(id=1, mode=0o700), "write overwrite", Ok),
    "REMOVE": (Remove(id=1, path=(b"there",)), "delete", Ok),
    "RENAME": (Rename(id=1, path=(b"there",), to=(b"fresh",)), "write delete", Ok),
    "RENAME over": (Rename(id=1, path=(b"there",), to=(b"other",), overwrite=True), "write delete overwrite", Ok),
    "COPY": (Copy(id=1, path=(b"there",), to=(b"fresh",)), "read write", Ok),
    "COPY over": (Copy(id=1, path=(b"there",), to=(b"other",)), "read write overwrite", Ok),
}
# Where only the right to replace is lacking, and the name is taken, that is the answer.
TAKEN = {"WRITE over", "WRITEMANY over", "RENAME over", "COPY over"}
CHANGES = {"write", "overwrite", "delete"}


def expected(case, rights):
    _, needs, answer = CASES[case]
    if "|" in needs:
        return answer if any(getattr(rights, right) for right in needs.split("|")) else ErrorCode.FORBIDDEN
    lacking = [right for right in needs.split() if not getattr(rights, right)]
    if not lacking:
        return answer
    if lacking == ["overwrite"] and case in TAKEN:
        return ErrorCode.EXISTS
    nothing = not rights.write and not rights.delete
    return ErrorCode.READ_ONLY if nothing and CHANGES & set(lacking) else ErrorCode.FORBIDDEN


@pytest.mark.parametrize("case", CASES)
def test_every_request_under_every_set_of_rights(tmp_path, case):
    request, needs, _ = CASES[case]
    seen = set()
    for number, granted in enumerate(itertools.product([False, True], repeat=5)):
        rights = Rights(*granted)
        root = tmp_path / str(number)
        root.mkdir()
        for name in ("there", "other"):
            (root / name).write_bytes(OLD)
        before = listing(root)
        with LocalStore(root) as store, served(root, rights=rights, store=store) as server:
            wire = server.wire()
            wire.send(request)
            if isinstance(request, Write):
                wire.queue_data(NEW)
                wire.send(End(size=3, digest=digest_of(NEW)))
            answer = wire.receive()
            if isinstance(answer, File):
                assert wire.receive_file()[0] == OLD
            got = answer.code if isinstance(answer, Error) else type(answer)
            if isinstance(answer, Results) and answer.codes != (None,):
                (got,) = answer.codes
            assert got == expected(case, rights), rights
            wire.send(Stat(id=2, path=(b"none",)))
            assert wire.receive().id == 2, "the session goes on"
        seen.add(got)
        if isinstance(got, ErrorCode):
            assert listing(root) == before, rights
            assert {(root / name).read_bytes() for name in before} == {OLD}, rights
        if needs != "list|read|write":
            told = [result for _, result in server.results[:-1]]
            assert told == [got if isinstance(got, ErrorCode) else "ok"], rights
    assert len(seen) >= 2, "a matrix in which nothing differs shows nothing"


@pytest.mark.parametrize("keyed", [True, False])
@pytest.mark.parametrize(
    ("request_", "lacking", "meaning"),
    [
        (Read(id=1, path=(b"there",)), "read", "permission denied"),
        (Remove(id=1, path=(b"there",)), "delete", "permission denied"),
        (Write(id=1, path=(b"new",), size=0), "write", "permission denied"),
        (Write(id=1, path=(b"new",), size=0), "write delete", "the server is read-only"),
        (List(id=1), "list", "permission denied"),
    ],
)
def test_the_log_names_the_right_that_is_missing(tmp_path, request_, lacking, meaning, keyed):
    """A client without a key is not told which; the operator is."""
    right, *_ = lacking.split()
    rights = ALL._replace(keyed=keyed, **dict.fromkeys(lacking.split(), False))
    with served(tmp_path, rights=rights) as server:
        wire = server.wire()
        wire.send(request_)
        assert (wire.receive().reason is None) != keyed
        verb = "remove" if right == "delete" and keyed else right
        server.log.wait_for(f"Refused: {meaning}: {'this key' if keyed else 'anonymous clients'} may not {verb}")
