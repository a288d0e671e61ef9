"""Times of two sides with resolutions of their own: what counts as the same, and which is newer."""

import os
import random

import pytest

from secftp.storage.attributes import COARSEST, RESOLUTIONS, same_time
from secftp.transfer.times import SideTimes, TimeComparison

S = 1_000_000_000
MANY = 64


@pytest.mark.parametrize("step", RESOLUTIONS)
@pytest.mark.parametrize("way", ["source", "target"])
def test_a_side_that_truncates_has_the_times_of_the_other(step, way):
    """Whatever the order in which they are met, and before the epoch, too."""
    draw = random.Random(step)
    exact = [draw.randrange(-(10**18), 2 * 10**18) for _ in range(MANY)]
    compare = TimeComparison()
    for time in exact:
        kept = time - time % step
        pair = (kept, time) if way == "source" else (time, kept)
        assert compare.order(*pair, "d", "d") == 0


@pytest.mark.parametrize("step", RESOLUTIONS)
def test_a_difference_of_more_than_the_resolution_is_one(step):
    compare = TimeComparison()
    for number in range(MANY):
        kept = (10**9 + 7 * number) * COARSEST
        assert compare.order(kept + 2 * COARSEST, kept, "d", "d") == 1
        assert compare.order(kept - step, kept, "d", "d") == -1


def test_a_time_that_no_coarse_file_system_keeps_proves_that_its_neighbours_are_exact():
    """Without it the first pair could be a file and its copy on a file system with whole seconds."""
    compare = TimeComparison()
    assert compare.order(5 * S + 500_000_000, 5 * S, "d", "d") == 0
    compare.source.learn("d", 7 * S + 123_456_789)
    assert compare.order(5 * S + 500_000_000, 5 * S, "d", "d") == 0, "the resolution of the source proves nothing"
    compare.target.learn("d", 7 * S + 123_456_789)
    assert compare.order(5 * S + 500_000_000, 5 * S, "d", "d") == 1
    assert compare.order(5 * S + 500_000_000, 5 * S, "e", "e") == 0, "another directory may be on another file system"


def test_seconds_are_told_from_even_seconds():
    compare = TimeComparison()
    compare.target.learn("d", 7 * S)
    assert compare.order(5 * S + 900_000_000, 5 * S, "d", "d") == 0
    assert compare.order(5 * S + 900_000_000, 4 * S, "d", "d") == 1


def test_evidence_makes_the_comparison_only_stricter():
    draw = random.Random(13)
    for _ in range(2000):
        one = draw.randrange(10**10) * draw.choice(RESOLUTIONS)
        other = one + draw.choice((-1, 1)) * draw.randrange(1, 4) * draw.choice(RESOLUTIONS) // draw.choice((1, 2, 3))
        verdicts = [same_time(one, other, step, step) for step in RESOLUTIONS]
        assert verdicts == sorted(verdicts)


def test_the_evidence_of_many_directories_takes_little_memory():
    side = SideTimes(8)
    for number in range(1000):
        side.learn(number, 123)
    assert len(side._resolutions) == 8
    assert side.learn(999, 0) == 1
    assert side.learn(0, 0) == COARSEST


# --- copies -----------------------------------------------------------------------------------------------------------

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
