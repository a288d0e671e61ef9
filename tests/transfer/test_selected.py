"""Copies of selected files in both directions: which arrive, which directories are made, and what is told."""

from __future__ import annotations

import os

import pytest

import secftp
from secftp.transfer import Download, Upload
from secftp.transfer.options import CopyOptions, RemoteLocation
from tests.support.copying import Recorder, contents, look, make
from tests.support.serving import KEY

FILES = {
    b"build/out.o": b"1", b"src/build/x": b"2", b"src/a.c": b"3", b"src/b.h": b"4", b"docs/index.html": b"5",
    b"docs/api/index.html": b"6", b"docs/api/style.css": b"7", b"a/b/c/d/deep.c": b"8", b"empty/": b"", b"top.c": b"9",
    b"a/none": b"10",
}  # fmt: skip


@pytest.fixture(params=["put", "get"])
def copied(request, client, root, tmp_path):
    """A function that copies `src`, and returns the summary, what was told, and the names that arrived."""
    here = tmp_path / "here"
    here.mkdir()
    source, target = (here, root) if request.param == "put" else (root, here)
    top = make(source / "src", FILES)
    for number, (directory, _, _) in enumerate(os.walk(top)):
        os.chmod(directory, 0o750)
        os.utime(directory, ns=(0, 10**18 + number))

    def copy(into="", **options):
        told = Recorder()
        options = CopyOptions(**options)
        if request.param == "put":
            path = (os.fsencode(into),) if into else ()
            run = Upload([top], RemoteLocation(path, not into), options, told)
        else:
            run = Download([RemoteLocation((b"src",))], os.fspath(here / into) if into else f"{here}/", options, told)
        summary = run.run(client)
        there = look(target)
        same = look(top)
        for name, seen in there.items():  # directories have the permissions and times of the source
            if name.startswith(b"src/"):
                assert seen == same[name[4:]]
        return summary, told, set(there) - {b"."}

    return copy


def below(*names):
    return {
        b"/".join((b"src", *parts[:depth]))
        for parts in (name.split(b"/") for name in names)
        for depth in range(len(parts) + 1)
    }


@pytest.mark.parametrize(
    ("include", "files"),
    [
        ([b"*.c"], [b"src/a.c", b"a/b/c/d/deep.c", b"top.c"]),
        ([b"docs/*.html"], [b"docs/index.html"]),
        ([b"**/*.html"], [b"docs/index.html", b"docs/api/index.html"]),
        ([b"api/"], [b"docs/api/index.html", b"docs/api/style.css"]),
        ([b"src/a.c"], [b"src/a.c"]),
        ([b"src/src/a.c"], [b"src/a.c"]),
    ],
)
def test_what_is_included_arrives_and_no_empty_directory(copied, include, files):
    summary, _, names = copied(include=tuple(include))
    assert names == below(*files)
    assert (summary.files, summary.unmatched) == (len(files), ())


def test_nothing_that_is_included_makes_nothing(copied):
    summary, _, names = copied(include=(b"*.pdf",))
    assert (names, summary.files, summary.unmatched) == (set(), 0, ("*.pdf",))


@pytest.mark.parametrize(
    ("exclude", "gone"),
    [
        ([b"**/build"], [b"build", b"src/build"]),
        ([b"/build"], [b"build"]),
        ([b"build"], [b"build", b"src/build"]),
        ([b"src/build"], [b"src/build", b"build"]),  # in the source, and as the source's name with what is in it
        ([b"src/src/build"], [b"src/build"]),
        ([b"*.c", b"docs/"], [b"top.c", b"src/a.c", b"a/b/c/d/deep.c", b"docs"]),
        ([b"docs/**"], [b"docs/index.html", b"docs/api"]),
    ],
)
def test_what_is_excluded_does_not_arrive(copied, exclude, gone):
    summary, _, names = copied(exclude=tuple(exclude))
    everything = below(*(name.rstrip(b"/") for name in FILES))
    left_out = tuple(b"src/" + name + b"/" for name in gone)
    expected = {name for name in everything if not (name + b"/").startswith(left_out)}
    assert names == expected
    assert summary.unmatched == ()


def test_a_pattern_that_matched_nothing_is_in_the_summary(copied):
    summary, _, _ = copied(exclude=(b"*.c", b"*.oo", b"top.c"), include=(b"*.h", b"nope/"))
    assert summary.unmatched == ("*.oo", "nope/")


def test_symlinks_that_are_excluded_are_not_told(copied, root, tmp_path):
    for top in (root, tmp_path / "here"):
        if (top / "src").exists():
            (top / "src" / "link.o").symlink_to("top.c")
    summary, told, _ = copied(exclude=(b"*.o",))
    assert (summary.left_out, told.of("note")) == (0, [])


def test_a_program_gets_no_empty_directories_either(server, root, tmp_path):
    make(tmp_path / "here" / "src", FILES)
    with secftp.connect(f"secftp://127.0.0.1:{server.port}", key=KEY) as remote:
        summary = remote.put(tmp_path / "here" / "src", "/", include=["*.h", "*.nope"])
        assert (contents(root), summary.unmatched) == ({b"src/src/b.h": b"4"}, ("*.nope",))
        assert sorted(os.listdir(root / "src")) == ["src"]
        remote.get("src", tmp_path / "back", include=["*.h"], exclude=["src/src"])
        assert contents(tmp_path / "back") == {}
