"""`secftp sum` and `secftp verify` against a real server, and `sha256sum -c` against them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess

import pytest

from secftp.client import comparison
from secftp.client.commands import sum as sum_module
from secftp.errors import ExitCode
from secftp.session import listings, operations
from secftp.storage.wrappers import SourceWrapper
from tests.support.serving import digest_of

ODD = [b"bad\xff", b"new\nline", b"carriage\rreturn", b"back\\slash", b"\x1b[2J", b"x" * 255, b" two  blanks "]
CHECKER = shutil.which("sha256sum")


@pytest.fixture
def here(tmp_path):
    directory = tmp_path / "here"
    directory.mkdir()
    return directory


def fill(directory, files):
    """Make files, by name and contents, and directories, by a name with a slash at its end."""
    for name, contents in files.items():
        path = os.path.join(os.fsencode(directory), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if not path.endswith(b"/"):
            with open(path, "wb") as file:
                file.write(contents)


# --- sum --------------------------------------------------------------------------------------------------------------


def test_a_sum_is_sha256_unless_said_otherwise(secftp, root):
    fill(root, {"file": b"contents"})
    expected = hashlib.sha256(b"contents").hexdigest()
    secftp("sum", "//file").succeed(f"{expected}  file\n".encode())


@pytest.mark.parametrize("kind", ["xxh128", "sha256", "blake3", "md5"])
def test_every_kind(secftp, root, kind):
    fill(root, {"file": b"contents"})
    expected = digest_of(b"contents", kind).hex()
    secftp("sum", "--checksum", kind, "//file").succeed(f"{expected}  file\n".encode())


def test_names_begin_with_the_last_part_of_the_url(secftp, root):
    fill(root, {"a/b/c": b"", "a/b/d/e": b"", "f": b""})
    empty = hashlib.sha256(b"").hexdigest()
    names = ["b/c", "b/d/e"]
    secftp("sum", "//a/b").succeed("".join(f"{empty}  {name}\n" for name in names).encode())
    secftp("sum", "//", "//f").succeed(
        "".join(f"{empty}  {name}\n" for name in ["f", "a/b/c", "a/b/d/e", "f"]).encode()
    )


@pytest.mark.skipif(CHECKER is None, reason="there is no sha256sum")
def test_sha256sum_takes_them_whatever_the_names(secftp, root):
    fill(root, {b"tree/" + name: name for name in ODD})
    fill(root, {f"tree/many/{number}": b"%d" % number for number in range(200)})
    printed = secftp("sum", "//tree")
    assert (printed.code, len(printed.output.splitlines())) == (ExitCode.OK, len(ODD) + 200)
    command = [CHECKER, "--check", "--strict", "--quiet"]
    assert subprocess.run(command, input=printed.output, cwd=root, check=False, timeout=20).returncode == 0
    (root / "tree" / "many" / "7").write_bytes(b"8")
    assert subprocess.run(command, input=printed.output, cwd=root, check=False, timeout=20).returncode == 1


@pytest.mark.parametrize("kind", ["sha256", "md5"])
def test_lines_are_those_of_the_program_of_that_name(secftp, root, kind):
    program = shutil.which(f"{kind}sum")
    if program is None:
        pytest.skip(f"there is no {kind}sum")
    names = [name for name in ODD if b"\r" not in name]  # escaped by newer ones only
    fill(root, {b"tree/" + name: name for name in names} | {"-rf": b"1", "*": b"2"})
    paths = [b"tree/" + name for name in names]
    expected = subprocess.run([program, "--", *paths], cwd=root, capture_output=True, check=True, timeout=20).stdout
    printed = secftp("sum", "--checksum", kind, "//tree")
    assert sorted(printed.output.splitlines()) == sorted(expected.splitlines())
    single = subprocess.run([program, "--", "-rf", "*"], cwd=root, capture_output=True, check=True, timeout=20).stdout
    assert secftp("sum", "--checksum", kind, "//-rf", "//%2A").output == single
    secftp("get", "-q", "//tree", root.parent)
    command = [program, "--check", "--strict", "--quiet"]
    assert subprocess.run(command, input=printed.output, cwd=root.parent, check=False, timeout=20).returncode == 0


@pytest.mark.parametrize("kind", ["xxh128", "sha256", "blake3", "md5"])
def test_on_a_terminal_the_algorithm_is_named_unless_the_line_says_it(secftp, root, kind, monkeypatch):
    fill(root, {"file\n": b"contents"})
    digest = digest_of(b"contents", kind).hex()
    monkeypatch.setattr(sum_module.os, "isatty", lambda descriptor: descriptor == 1)
    named = digest if kind in ("sha256", "md5") else f"{kind}:{digest}"
    assert secftp("sum", "--checksum", kind, "//file%0A").output == f"{named}  file\\n\n".encode()


def test_what_can_not_be_summed(secftp, root):
    fill(root, {"a": b""})
    secftp("sum", "//nothing").expect(ExitCode.NOT_FOUND, "nothing: no such file or directory")
    result = secftp("sum", "//nothing", "//a", "//no")
    assert (result.code, result.output.count(b"\n")) == (ExitCode.FAILED, 1)


# --- verify -----------------------------------------------------------------------------------------------------------

TREE = {"a": b"1", "b/c": b"22", "b/d/e": b"333", "empty/": b"", b"odd\xff\n": b"4"}


def both(here, root, files=TREE):
    fill(here, files)
    fill(root, files)


def test_what_is_the_same(secftp, here, root):
    both(here, root)
    result = secftp("verify", here, "//").succeed()
    assert result.errors == "No difference: 4 files the same (7 B).\n"
    told = secftp("verify", here / "b/c", "//b/c").succeed().errors
    assert told == f"No difference: 1 file the same (2 B, xxh128:{digest_of(b'22').hex()}).\n"
    assert secftp("verify", "-q", here / "b", "//b/").succeed().errors == ""


@pytest.mark.parametrize("window", [2, operations.WINDOW])
@pytest.mark.parametrize("kind", ["xxh128", "sha256", "blake3", "md5"])
def test_what_differs_is_listed(secftp, here, root, kind, window, monkeypatch):
    monkeypatch.setattr(operations, "WINDOW", window)
    monkeypatch.setattr(listings, "RUN_ENTRIES", window)
    both(here, root, {f"same/{number}": b"%d" % number for number in range(5)})
    fill(here, {"b/d/e": b"333", "x": b"", "new/y": b"", "kind/": b"", "longer": b"12", b"bad\xff": b"1"})
    fill(root, {"b/d/e": b"334", "w": b"", "old/z/": b"", "kind": b"", "longer": b"123", b"bad\xff": b"2"})
    result = secftp("verify", "--checksum", kind, here, "//")
    assert result.code == ExitCode.FAILED
    assert sorted(result.output.decode().splitlines()) == [
        "differs: b/d/e",
        "differs: bad\\xff",
        "differs: longer",
        "kind differs: kind (a directory here, a file there)",
        "missing here: old/",
        "missing here: w",
        "missing there: new/",
        "missing there: x",
    ]
    assert result.errors == "8 differences, 5 files the same (5 B).\n"


def test_two_files(secftp, here, root):
    fill(here, {"a": b"1", "b": b"12"})
    fill(root, {"a": b"2"})
    for name in ("a", "b"):
        result = secftp("verify", here / name, "//a")
        assert (result.code, result.output) == (ExitCode.FAILED, f"differs: {here / name}\n".encode())


def test_two_kinds(secftp, here, root):
    fill(root, {"a": b"2", "b/": b""})
    fill(here, {"b": b"2"})
    for local, remote, words in [(here, "//a", "a directory here, a file there"), (here / "b", "//b", "a file here")]:
        result = secftp("verify", local, remote)
        assert result.code == ExitCode.FAILED
        assert words in result.output.decode()


def test_what_is_on_neither_side(secftp, here, root):
    fill(root, {"a": b"2"})
    secftp("verify", here / "nothing", "//a").expect(ExitCode.LOCAL_FILE, "No such file: ")
    secftp("verify", here, "//nothing").expect(ExitCode.NOT_FOUND, "nothing: no such file or directory")
    fill(here, {"a": b"2"})
    secftp("verify", here / "a", "//a/").expect(ExitCode.NOT_FOUND, "a: it is a file")


def test_symlinks_do_not_count(secftp, here, root):
    both(here, root)
    os.symlink("a", here / "link")
    os.mkfifo(here / "fifo")
    secftp("verify", here, "//").succeed()


def test_a_file_that_vanishes_is_a_failure_and_the_rest_is_compared(secftp, here, root, monkeypatch):
    both(here, root)
    opened = comparison.LocalSide.open

    def vanish(local, path):
        if path == (b"a",):
            os.unlink(here / "a")
        return opened(local, path)

    monkeypatch.setattr(comparison.LocalSide, "open", vanish)
    result = secftp("verify", here, "//").expect(ExitCode.FAILED, "One failure, reported above.")
    assert "secftp: No such file: a\n" in result.errors
    assert "0 differences, 3 files the same" in result.errors


def test_a_file_that_changes_while_it_is_compared_is_a_failure(secftp, here, root, monkeypatch):
    """What was read is what the server has; what stands here now is something else."""
    both(here, root)

    class Changing(SourceWrapper):
        def readv(self, buffers, offset):
            count = super().readv(buffers, offset)
            if not count:
                (here / "a").write_bytes(b"x" * offset)
                os.utime(here / "a", ns=(0, 1))
            return count

    real = comparison.LocalSide.open
    monkeypatch.setattr(comparison.LocalSide, "open", lambda side, path: Changing(real(side, path)))
    secftp("verify", here / "a", "//a").expect(ExitCode.FAILED, "Changed while it was being read: ")
