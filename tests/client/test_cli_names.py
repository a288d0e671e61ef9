"""`secftp ls`, `stat`, `rm`, `mv` and `mkdir` against a real server: output and exit codes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time

import pytest

from secftp.client import listing as listing_verb
from secftp.errors import ExitCode
from secftp.protocol import ErrorCode, Kind, Listed
from secftp.session import operations
from secftp.session.requested import RequestedListing
from secftp.text import escape
from tests.support.command_line import client_and_server, started, terminal
from tests.support.serving import DEADLINE, listing

BIDI = "right\u202eleft\u200bnothing\u00adsoft\x85line".encode()
ODD = [
    BIDI,
    bytes(range(1, 47)) + bytes(range(48, 128)),
    bytes(range(128, 256)),
    b"bad\xff",
    b"new\nline",
    b"\x1b[2J",
    b"back\\slash",
    b"x" * 255,
    "umläut".encode(),
    b"-r",
    b" ",
]
MOMENT = 1_700_000_000_123_456_789


def fill(root, *names, contents=b"contents"):
    for name in names:
        path = os.path.join(os.fsencode(root), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if not path.endswith(b"/"):
            with open(path, "wb") as file:
                file.write(contents)


# --- ls ---------------------------------------------------------------------------------------------------------------


def test_a_listing_is_sorted_and_tells_directories(secftp, root):
    fill(root, "b", "a/c", "Z")
    secftp("ls", "//").succeed(b"Z\na/\nb\n")
    secftp("ls", "//a").succeed(b"c\n")
    secftp("ls", "-R", "//").succeed(b"Z\na/\na/c\nb\n")


def test_a_long_listing(secftp, root):
    fill(root, "folder/", "file")
    os.chmod(root / "file", 0o640)
    os.chmod(root / "folder", 0o751)
    for name in ("file", "folder"):
        os.utime(root / name, ns=(MOMENT, MOMENT))
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(MOMENT // 10**9))
    secftp("ls", "-l", "//").succeed(f"-rw-r----- 8 {when} file\ndrwxr-x--x 0 {when} folder/\n".encode())
    secftp("ls", "-l", "//file").succeed(f"-rw-r----- 8 {when} file\n".encode())


def test_several_listings_have_heads(secftp, root):
    fill(root, "a/x", "b/y")
    secftp("ls", "//a", "//b/").succeed(b"a:\nx\n\nb:\ny\n")


@pytest.mark.parametrize("name", ODD)
def test_names_are_escaped_for_people_and_exact_for_programs(secftp, root, name):
    fill(root, name)
    shown = secftp("ls", "//").succeed(f"{escape(name)}\n".encode())
    assert shown.output.decode().removesuffix("\n").isprintable()
    (row,) = map(json.loads, secftp("ls", "--json", "//").output.splitlines())
    assert exact(row) == name


def exact(row):
    import base64

    return base64.b64decode(row["path_base64"]) if "path_base64" in row else row["path"].encode()


def test_objects_for_programs(secftp, root):
    fill(root, "folder/file")
    for name in ("folder/file", "folder"):
        os.utime(root / name, ns=(MOMENT, MOMENT))
    os.chmod(root / "folder/file", 0o600)
    rows = list(map(json.loads, secftp("ls", "-R", "--json", "//").output.splitlines()))
    common = {"mtime_ns": MOMENT, "mtime": "2023-11-14T22:13:20Z"}
    assert rows[1] == {"path": "folder/file", "kind": "file", "size": 8, "mode": "0600", **common}
    assert rows[0]["kind"] == "folder"
    assert json.loads(secftp("stat", "--json", "//folder/file").output) == rows[1]


def test_a_listing_that_is_too_long_to_be_sorted_is_whole(secftp, root, monkeypatch):
    monkeypatch.setattr(listing_verb, "SORTED_ENTRIES", 10)
    names = {f"{number:03}" for number in range(40)}
    fill(root, *names)
    assert set(secftp("ls", "//").output.decode().split()) == names


@pytest.mark.skipif(os.geteuid() == 0, reason="root may enter every directory")
def test_a_directory_that_can_not_be_entered_is_told(secftp, root):
    fill(root, "closed/x", "open/y")
    os.chmod(root / "closed", 0)
    try:
        result = secftp("ls", "-R", "//")
    finally:
        os.chmod(root / "closed", 0o700)
    assert (result.code, result.output) == (ExitCode.REFUSED, b"closed/\nopen/\nopen/y\n")
    assert "closed: " in result.complaint


def list_there(monkeypatch, entries):
    """Take what `entries` returns for a path for what the server has listed."""
    monkeypatch.setattr(RequestedListing, "entries", lambda listing: iter(entries(listing._request.path)))


UNKNOWN = [
    Listed((b"top",), Kind.DIRECTORY, 0, MOMENT, 0o755),
    Listed((b"top",), None, code=ErrorCode.FORBIDDEN),  # it broke off while it was listed
    Listed((b"lost",), None, code=ErrorCode.IO_ERROR),
    Listed((b"file",), Kind.FILE, 8, MOMENT, 0o644),
]


@pytest.mark.parametrize(
    ("verb", "code", "output"),
    [("ls", ExitCode.FAILED, b"file\ntop/\n"), ("sum", ExitCode.FAILED, None), ("rm", ExitCode.FAILED, b"")],
)
def test_what_the_server_could_not_look_at_is_a_failure(secftp, root, monkeypatch, verb, code, output):
    fill(root, "x/file", "x/top/")
    list_there(monkeypatch, lambda path: UNKNOWN if path == (b"x",) else [])
    result = secftp(verb, *(["-r"] if verb == "rm" else []), "//x")
    assert result.code == code
    assert result.output == output or output is None
    told = set(re.findall(r"^secftp: x/(\w+): (?:permission|input)", result.errors, re.MULTILINE))
    assert told == {"top", "lost"}
    assert listing(root) == ([] if verb == "rm" else ["x", "x/file", "x/top"])


def test_unknown_kinds_for_programs(secftp, root, monkeypatch):
    fill(root, "x/")
    list_there(monkeypatch, lambda _: UNKNOWN)
    rows = list(map(json.loads, secftp("ls", "--json", "//x").output.splitlines()))
    assert [(row["path"], row["kind"], row.get("problem")) for row in rows] == [
        ("file", "file", None),
        ("lost", None, "io_error"),
        ("top", "folder", None),
        ("top", None, "forbidden"),
    ]


def test_what_is_not_there(secftp, root):
    fill(root, "file")
    secftp("ls", "//nothing").expect(ExitCode.NOT_FOUND, "nothing: no such file or directory")
    secftp("ls", "//file/").expect(ExitCode.NOT_FOUND, "file: it is a file")
    result = secftp("ls", "//nothing", "//file", "//no")
    assert (result.code, result.output) == (ExitCode.FAILED, b"file\n")
    assert result.errors.startswith(
        "secftp: nothing: no such file or directory.\nsecftp: no: no such file or directory.\n"
    )


# --- stat -------------------------------------------------------------------------------------------------------------


def test_stat_for_people(secftp, root):
    fill(root, "file")
    os.chmod(root / "file", 0o644)
    os.utime(root / "file", ns=(MOMENT, MOMENT))
    when = time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(MOMENT // 10**9))
    secftp("stat", "//file").succeed(
        f"file\n  kind: file\n  size: 8 bytes\n  modified: {when}\n  permissions: -rw-r--r-- (0644)\n".encode()
    )
    assert secftp("stat", "//").output.startswith(b"/\n  kind: folder\n")


def test_stat_of_several(secftp, root):
    fill(root, "a", "b")
    result = secftp("stat", "//a", "//missing", "//b")
    assert re.findall(rb"^\w+$", result.output, re.MULTILINE) == [b"a", b"b"]
    assert result.code == ExitCode.FAILED


# --- rm ---------------------------------------------------------------------------------------------------------------


def test_files_are_removed(secftp, root):
    fill(root, "a", "b", "c")
    secftp("rm", "//a", "//b").succeed()
    assert listing(root) == ["c"]


def test_a_directory_needs_r(secftp, root):
    fill(root, "a/b/c", "a/d", "e")
    secftp("rm", "//a").expect(ExitCode.REFUSED, "a: it is a directory")
    secftp("rm", "//a/").expect(ExitCode.REFUSED, "a: it is a directory")
    assert "a/b/c" in listing(root)
    secftp("rm", "-r", "//a").succeed()
    assert listing(root) == ["e"]


@pytest.mark.parametrize("window", [2, operations.WINDOW])
def test_many_are_removed(secftp, root, window, monkeypatch):
    monkeypatch.setattr(operations, "WINDOW", window)
    fill(root, *(f"top/{number % 5}/{number % 3}/{number}" for number in range(300)), "top/empty/")
    secftp("rm", "-r", "//top").succeed()
    assert listing(root) == []


def test_a_slash_means_a_directory(secftp, root):
    fill(root, "file")
    secftp("rm", "-r", "//file/").expect(ExitCode.NOT_FOUND, "file: it is a file")
    assert listing(root) == ["file"]


def test_every_odd_name_can_be_removed(secftp, root):
    fill(root, *(b"folder/" + name for name in ODD))
    secftp("rm", "-r", "//folder").succeed()
    assert listing(root) == []


def test_what_is_not_there_is_a_failure_unless_forced(secftp, root):
    fill(root, "a")
    secftp("rm", "//nothing").expect(ExitCode.NOT_FOUND, "nothing: ")
    secftp("rm", "-f", "//nothing", "//a").succeed()
    assert listing(root) == []


def test_the_rest_is_removed_all_the_same(secftp, root):
    fill(root, "a", "b")
    result = secftp("rm", "//x", "//a", "//y", "//b")
    assert (result.code, result.complaint) == (ExitCode.FAILED, "2 failures, reported above.")
    assert listing(root) == []


def test_the_served_directory_stays(secftp):
    secftp("rm", "-r", "//").expect(ExitCode.USAGE)


def test_without_the_right_to(tmp_path, capfdbinary):
    with client_and_server(tmp_path, capfdbinary, overwrite=False) as client:
        fill(tmp_path / "root", "a/b")
        client("rm", "//a/b").expect(ExitCode.REFUSED, "a/b: ")
        client("rm", "-r", "//a").expect(ExitCode.FAILED, "2 failures")
    assert listing(tmp_path / "root") == ["a", "a/b"]


# --- mv ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "after"),
    [
        (["//a", "//new"], ["b", "folder", "folder/x", "new"]),
        (["//a", "//b"], ["b", "folder", "folder/x"]),
        (["//a", "//folder"], ["b", "folder", "folder/a", "folder/x"]),
        (["//a", "//folder/"], ["b", "folder", "folder/a", "folder/x"]),
        (["//a", "//b", "//folder"], ["folder", "folder/a", "folder/b", "folder/x"]),
        (["//folder", "//other"], ["a", "b", "other", "other/x"]),
        (["//folder/", "//other/"], ["a", "b", "other", "other/x"]),
        (["//folder/x", "//"], ["a", "b", "folder", "x"]),
    ],
)
def test_moving_is_as_mv_does(secftp, root, given, after):
    fill(root, "a", "b", "folder/x")
    secftp("mv", *given).succeed()
    assert listing(root) == after


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (["//nothing", "//new"], ExitCode.NOT_FOUND),
        (["//a", "//nowhere/new"], ExitCode.NOT_FOUND),
        (["//a", "//new/"], ExitCode.NOT_FOUND),
        (["//a", "//b", "//new"], ExitCode.NOT_FOUND),
        (["//a", "//folder/x", "//b"], ExitCode.NOT_FOUND),
        (["-n", "//a", "//b"], ExitCode.EXISTS),
        (["//a/", "//new"], ExitCode.NOT_FOUND),
        (["//folder", "//a"], ExitCode.EXISTS),
    ],
)
def test_what_can_not_be_moved(secftp, root, given, code):
    fill(root, "a", "b", "folder/x")
    before = listing(root)
    secftp("mv", *given).expect(code)
    assert listing(root) == before


# --- mkdir ------------------------------------------------------------------------------------------------------------


def test_directories_are_made(secftp, root):
    secftp("mkdir", "//a", "//b").succeed()
    secftp("mkdir", "-p", "//a/b/c", "//a", "//").succeed()
    assert listing(root) == ["a", "a/b", "a/b/c", "b"]


def test_directories_that_can_not_be_made(secftp, root):
    fill(root, "file", "folder/")
    secftp("mkdir", "//folder").expect(ExitCode.EXISTS)
    secftp("mkdir", "//x/y").expect(ExitCode.NOT_FOUND)
    secftp("mkdir", "-p", "//file").expect(ExitCode.EXISTS)
    secftp("mkdir", "//").expect(ExitCode.EXISTS)
    secftp("mkdir", "//.secftp-x").expect(ExitCode.REFUSED)
    assert listing(root) == ["file", "folder"]


@pytest.mark.parametrize("verb", ["ls", "stat", "sum", "verify"])
def test_a_terminal_sees_no_control_of_a_names(secftp, root, tmp_path, verb):
    fill(root, *ODD)
    given = [tmp_path / "home"] if verb == "verify" else []
    (tmp_path / "home").mkdir()
    urls = [secftp.url()] if verb != "stat" else [secftp.url("".join(f"%{byte:02x}" for byte in name)) for name in ODD]
    with (
        terminal() as (slave, screen),
        started(
            tmp_path,
            *(verb, "--key-file", tmp_path / "key", *given, *urls),
            keyed=False,
            stdin=subprocess.DEVNULL,
            stdout=slave,
            stderr=slave,
        ) as process,
    ):
        assert process.wait(DEADLINE) == (ExitCode.FAILED if verb == "verify" else ExitCode.OK)
        screen.hang_up()
        screen.wait_for(r"\\u202e")
        assert screen.text.replace("\r\n", "").isprintable()


# --- all verbs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["ls", "stat", "rm", "mkdir", "sum", "get"])
@pytest.mark.parametrize("path", ["a/../b", "./b", "a%2Fb", "a%00b", "x" * 256, "a/" * 64 + "b"])
def test_names_that_no_server_takes_are_refused_here(secftp, verb, path):
    secftp(verb, f"//{path}").expect(ExitCode.REFUSED)
    assert "connected" not in secftp.server.log.text


def test_percent_signs_are_decoded(secftp, root):
    fill(root, b"a b\xff")
    secftp("ls", "//a%20b%FF").succeed(b"a b\\xff\n")
