"""--update: files that are the same, by size and time, and files that are newer, are left alone."""

from __future__ import annotations

import os

import pytest

S = 1_000_000_000
OLD, NEW = 1_600_000_000 * S + 123, 1_700_000_000 * S + 456
SKIPPED = "1 skipped: the target is newer"


@pytest.fixture(params=["put", "get"])
def way(request, secftp, tmp_path):
    """A copy of `source` over `target`, one of them at the server; call it with options."""
    here, there = tmp_path / "here" / "d", tmp_path / "root" / "d"
    for each in (here, there):
        each.mkdir(parents=True)

    class Way:
        source, target = (here, there) if request.param == "put" else (there, here)

        def __call__(self, *options):
            words = (here, "//") if request.param == "put" else ("//d", tmp_path / "here")
            return secftp(request.param, *options, *words)

    return Way()


def write(path, text, time):
    path.write_text(text)
    os.utime(path, ns=(time, time))


@pytest.mark.parametrize("text", ["theirs", "a longer text"])
def test_update_never_replaces_a_newer_file(way, text):
    write(way.source / "f", "source", OLD)
    write(way.target / "f", text, NEW)
    result = way("--update").succeed()
    assert SKIPPED in result.errors
    assert (way.target / "f").read_text() == text
    assert SKIPPED in way("-u", "--dry-run").errors
    assert '"reason":"the target is newer"' in way("-u", "--progress=json").errors.replace('": "', '":"')
    way("-u", "--force").succeed()
    assert (way.target / "f").read_text() == "source"
    assert os.stat(way.target / "f").st_mtime_ns == OLD


def test_update_keeps_a_file_of_another_size_that_is_newer_by_less_than_a_resolution(way):
    """Files of different sizes are no copies of each other, so nothing was truncated."""
    second = OLD - OLD % 2_000_000_000
    write(way.source / "f", "source", second)
    write(way.target / "f", "a longer text", second + 1_300_000_000)
    assert SKIPPED in way("-u").succeed().errors
    assert (way.target / "f").read_text() == "a longer text"


def test_update_replaces_older_files_and_those_of_another_size(way):
    write(way.source / "older", "source", NEW)
    write(way.target / "older", "target", OLD)
    write(way.source / "size", "source", OLD)
    write(way.target / "size", "a longer text", OLD)
    way("-u").succeed()
    assert [(way.target / name).read_text() for name in ("older", "size")] == ["source", "source"]


def test_without_update_everything_is_replaced_as_before(way):
    write(way.source / "f", "source", OLD)
    write(way.target / "f", "target", NEW)
    way().succeed()
    assert (way.target / "f").read_text() == "source"


@pytest.mark.parametrize("step", [100, S, 2 * S])
def test_update_leaves_files_alone_whose_times_were_truncated(way, step):
    """In either direction: a source that truncated has earlier times, and is not older."""
    for number, side in enumerate((way.source, way.target)):
        for name in range(3):
            time = NEW + name * 777_777_777
            write(side / f"{name}", "same", time - time % step if number else time)
    assert "3 skipped: it has the same size and time" in way("-u").succeed().errors
    for name in range(3):
        write(way.source / f"{name}", "same", NEW - NEW % step + name * 4 * S)
        write(way.target / f"{name}", "same", NEW - NEW % step + name * 4 * S + step // 2)
    assert "3 skipped: it has the same size and time" in way("-u").succeed().errors


def test_update_of_a_copy_without_times_leaves_it_alone_until_the_source_changes(way):
    write(way.source / "f", "source", OLD)
    way("--no-preserve").succeed()
    assert SKIPPED in way("-u", "--no-preserve").errors
    write(way.source / "f", "change", 2 * NEW)
    way("-u", "--no-preserve").succeed()
    assert (way.target / "f").read_text() == "change"
