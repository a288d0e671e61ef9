"""Entries that can't be inspected: each is reported once by its name, and no listing counts as complete."""

from __future__ import annotations

import errno
import json
import os

import pytest

from secftp.api import entries as api_listing
from secftp.client import listing as listing_verb
from secftp.errors import ExitCode, FileError, Forbidden, InputOutputError, NotFound
from secftp.protocol import Entries, Error, ErrorCode, Info, Kind, Listed, encode, problem_of
from secftp.storage import LocalStore
from tests.client.test_cli_hostile import U, against
from tests.storage.test_scan import BreakingScandir
from tests.support.command_line import client_and_server
from tests.support.programs import serving_programs
from tests.support.serving import listing

__all__ = ["against"]


class Unseen:
    """An entry of a listing that can't be looked at; with `knows` the listing itself says what it is."""

    def __init__(self, entry, number, knows):
        self.name = entry.name
        self._entry = entry
        self._number = number
        self._knows = knows

    def stat(self, **_):
        raise OSError(self._number, os.strerror(self._number))

    def is_dir(self, **options):
        return self._entry.is_dir(**options) if self._knows else self.stat()

    def is_file(self, **options):
        return self._entry.is_file(**options) if self._knows else self.stat()

    def is_symlink(self):
        return self._entry.is_symlink() if self._knows else self.stat()


@pytest.fixture(params=[True, False], ids=["kind known", "kind unknown"])
def sick(monkeypatch, request):
    """After a call with an errno, names that begin with `odd` can't be looked at, in directories that hold a `mark`."""

    def begin(number=errno.EACCES, prefix="odd", mark=None):
        real = os.scandir

        class Entries:
            def __init__(self, place):
                self.entries = real(place)
                self.is_sick = mark is None or mark in map(os.fsdecode, os.listdir(place))

            def __iter__(self):
                return self

            def __next__(self):
                entry = next(self.entries)
                is_unseen = self.is_sick and os.fsdecode(entry.name).startswith(prefix)
                return Unseen(entry, number, request.param) if is_unseen else entry

            def close(self):
                self.entries.close()

            def __enter__(self):
                return self

            def __exit__(self, *_):
                self.close()

        monkeypatch.setattr(os, "scandir", Entries)

    return begin


@pytest.mark.parametrize("recursive", [False, True])
@pytest.mark.parametrize(
    ("number", "kind"), [(errno.EACCES, Forbidden), (errno.EIO, InputOutputError), (errno.ESTALE, InputOutputError)]
)
def test_a_listing_has_the_name_and_the_reason(tmp_path, sick, number, kind, recursive):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "odd").write_bytes(b"x")
    (tmp_path / "d" / "plain").write_bytes(b"x")
    sick(number)
    with LocalStore(tmp_path) as store:
        found = {entry.path: entry for entry in store.scan((b"d",), recursive=recursive)}
    assert set(found) == {(b"odd",), (b"plain",)}
    assert found[b"odd",].info is None
    assert isinstance(found[b"odd",].problem, kind)
    assert str(found[b"odd",].problem).endswith(": d/odd")
    assert found[b"plain",].problem is None


@pytest.mark.parametrize("code", [None, ErrorCode.FORBIDDEN])
def test_what_is_known_of_an_entry(code):
    unknown = problem_of(Listed((b"x",), None, code=code), (b"x",))
    assert isinstance(unknown, InputOutputError if code is None else Forbidden)
    assert str(unknown).startswith("x: ")
    assert problem_of(Listed((b"x",), Kind.FILE), (b"x",)) is None
    assert isinstance(problem_of(Listed((b"x",), Kind.DIRECTORY, code=ErrorCode.FORBIDDEN), (b"x",)), Forbidden)


# --- verbs ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def secftp(tmp_path, capfdbinary):
    with client_and_server(tmp_path, capfdbinary) as client:
        for place in (tmp_path / "root" / "sv", tmp_path / "here" / "sv"):
            place.mkdir(parents=True)
            (place / "plain").write_bytes(b"1")
            (place / "odd").write_bytes(b"2")
        yield client


def told_once(result, name="sv/odd"):
    """Not a success, and the name stands in one line of standard error."""
    assert result.code not in (ExitCode.OK, None), result.errors
    assert len([line for line in result.errors.splitlines() if f"{name}: " in line]) == 1, result.errors
    return result


@pytest.mark.parametrize("verb", [["ls"], ["ls", "-l"], ["ls", "-R"], ["ls", "--json"]], ids=" ".join)
def test_ls(secftp, sick, verb):
    sick()
    result = told_once(secftp(*verb, "//sv"))
    assert b"plain" in result.output
    if "--json" in verb:
        rows = {row["path"]: row for row in map(json.loads, result.output.splitlines())}
        assert rows["odd"] == {
            "path": "odd",
            **dict.fromkeys(("kind", "size", "mtime_ns", "mtime", "mode")),
            "problem": "forbidden",
        }
        assert rows["plain"]["mode"] == "0644"


def test_ls_shows_what_came_before_a_listing_broke_off(secftp, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "scandir", BreakingScandir("odd"))
    monkeypatch.setattr(listing_verb, "SORTED_ENTRIES", 10)
    result = secftp("ls", "//sv")
    assert (result.code, result.output) == (ExitCode.FAILED, b"odd\nplain\n")


def test_sum(secftp, sick):
    sick()
    result = told_once(secftp("sum", "//sv"))
    assert result.output.endswith(b"  sv/plain\n")


def test_rm(secftp, sick, tmp_path):
    sick()
    told_once(secftp("rm", "-r", "//sv"))
    assert (tmp_path / "root" / "sv" / "odd").exists()


@pytest.mark.parametrize("prefix", ["odd", "plain"])
def test_get(secftp, sick, tmp_path, prefix):
    sick(prefix=prefix)
    told_once(secftp("get", "//sv", tmp_path / "copy"), f"sv/{prefix}")
    assert len(list((tmp_path / "copy").iterdir())) == 1


def test_verify(secftp, sick, tmp_path):
    """Both sides are on this machine here, so neither can look at it; and it is never called missing, or the same."""
    sick()
    result = secftp("verify", tmp_path / "here" / "sv", "//sv")
    assert (result.code, result.output) == (ExitCode.FAILED, b"")
    assert "No difference" not in result.errors
    assert "odd: " in result.errors


@pytest.mark.parametrize("side", ["here", "root"])
def test_verify_does_not_call_missing_what_one_side_can_not_look_at(secftp, sick, tmp_path, side):
    for place in ("here", "root"):
        (tmp_path / place / "sv" / f"mark-{place}").write_bytes(b"3")
    sick(mark=f"mark-{side}")
    result = secftp("verify", tmp_path / "here" / "sv", "//sv")
    assert result.code == ExitCode.FAILED
    assert result.output == b"missing there: mark-here\nmissing here: mark-root\n"
    assert len([line for line in result.errors.splitlines() if "odd: " in line or ": odd" in line]) == 1


def test_put(secftp, sick, tmp_path):
    sick(errno.EIO)
    result = secftp("put", "--update", tmp_path / "here" / "sv", "//new/")
    told_once(result)
    assert listing(tmp_path / "root" / "new") == ["sv", "sv/plain"]


def test_an_old_server_gives_no_reason(against):
    def directory(wire, request):
        wire.frame(*encode(Info(id=request.id, kind=Kind.DIRECTORY, size=0, mtime_ns=0, mode=0o755)))

    def entries(wire, request):
        wire.frame(*encode(Entries(id=request.id, entries=(Listed((b"odd",), None),), last=True)))

    def no_file(wire, request):
        wire.frame(*encode(Error(id=request.id, code=ErrorCode.IS_DIRECTORY)))

    for command, first in ((["ls", U], directory), (["sum", U], no_file), (["verify", ".", U], directory)):
        assert "odd" in against(command, first, entries).errors


def test_an_old_server_gives_no_reason_and_nothing_is_removed(against):
    asked = []

    def directory(wire, request):
        wire.frame(*encode(Info(id=request.id, kind=Kind.DIRECTORY, size=0, mtime_ns=0, mode=0o755)))

    def entries(wire, request):
        wire.frame(*encode(Entries(id=request.id, entries=(Listed((b"odd",), None),), last=True)))

    def refuse(wire, request):
        asked.append(request.path)
        wire.frame(*encode(Error(id=request.id, code=ErrorCode.NOT_EMPTY)))

    result = against(["rm", "-r", U], directory, entries, refuse)
    assert result.code == ExitCode.FAILED
    assert asked == [(b"a",)]


# --- programs ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def remote(tmp_path):
    root = tmp_path / "served"
    root.mkdir()
    (root / "plain").write_bytes(b"1")
    (root / "odd").write_bytes(b"2")
    with serving_programs(root) as served:
        yield served.remote


def test_an_entry_is_no_empty_file(remote, sick):
    sick()
    found = {entry.name: entry for entry in remote.scandir()}
    odd = found["odd"]
    assert isinstance(odd.problem, Forbidden)
    assert (odd.info, odd.is_file(), odd.is_dir()) == (None, False, False)
    for ask in (odd.stat, lambda: odd.size, lambda: odd.mtime_ns, lambda: odd.mode):
        with pytest.raises(Forbidden):
            ask()
    assert found["plain"].size == 1
    assert sorted(remote.listdir()) == ["odd", "plain"]


def test_a_walk_tells_of_it(remote, sick):
    sick()
    told = []
    ((_, directories, files),) = remote.walk(onerror=told.append)
    assert (directories, sorted(files)) == ([], ["odd", "plain"])
    assert [type(problem) for problem in told] == [Forbidden]


def test_a_tree_with_one_is_not_removed(remote, sick, tmp_path):
    remote.mkdir("top")
    remote.write_bytes("top/odd", b"x")
    connections = len(remote._pool._idle)
    sick()
    with pytest.raises(Forbidden):
        remote.rmtree("top")
    assert (tmp_path / "served" / "top" / "odd").exists()
    assert not remote._pool._busy
    assert len(remote._pool._idle) == connections, "no connection is lost for it"


def test_a_failure_below_is_one_of_ours(remote):
    with pytest.raises(FileError):
        remote.stat("missing")
    with pytest.raises(NotFound):
        list(remote.scandir("missing"))


def test_what_was_listed_before_it_broke_off_is_fetched(secftp, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", BreakingScandir("odd"))
        result = told_once(secftp("get", "//sv", tmp_path / "copy"), "sv")
    assert listing(tmp_path / "copy") == ["odd", "plain"]
    assert result.code == ExitCode.FAILED


@pytest.mark.parametrize("ahead", [1, 2, 3, 20_000])
def test_what_was_listed_before_it_broke_off_is_given_out(remote, tmp_path, monkeypatch, ahead):
    monkeypatch.setattr(api_listing, "AHEAD_ENTRIES", ahead)
    (tmp_path / "served" / "more").write_bytes(b"3")
    names = []
    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", BreakingScandir("odd"))
        listing = iter(remote.scandir())
        with pytest.raises(InputOutputError):
            names.extend(entry.name for entry in listing)
        assert list(listing) == []
    assert sorted(names) == ["more", "odd", "plain"]
    assert sorted(remote.listdir()) == ["more", "odd", "plain"], "the connection is in order"
