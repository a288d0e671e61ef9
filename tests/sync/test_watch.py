"""Changes of a watched directory: what is gathered of them, for how long, and which part of a tree they concern."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as some

from secftp.sync import watch
from secftp.sync.tree import TRASH
from secftp.sync.watch import Changes, Part
from secftp.transfer.filters import Filters

ALL = Filters((), ())


def path_of(name):
    return tuple(part.encode() for part in name.split("/")) if name else ()


def paths(*names):
    return [path_of(name) for name in names]


class Clock:
    """A clock that the test moves; a wait on it moves it, too."""

    def __init__(self, changes):
        self.now = 100.0
        self.waits = []
        changes._news.wait = self._wait
        self.events = []

    def __call__(self):
        return self.now

    def _wait(self, seconds):
        """Pass the time until the next event, or the time that was asked for."""
        self.waits.append(seconds)
        if self.events and self.events[0][0] <= self.now + seconds:
            self.now, event = self.events.pop(0)
            event()
        else:
            self.now += seconds


@pytest.fixture
def changes():
    changes = Changes(ALL)
    changes.clock = Clock(changes)
    changes._clock = changes.clock
    return changes


# --- which part of the tree -------------------------------------------------------------------------------------------


def test_a_changed_name_concerns_its_directory_and_all_below_it():
    part = Part(ALL, paths("a/b/c"))
    assert [part.wants_directory(path) for path in paths("a", "a/b", "a/b/c", "a/b/c/d/e")] == [True] * 4
    assert [part.wants_directory(path) for path in paths("x", "a/x", "a/b/x")] == [False] * 3
    assert [part.wants_file(path) for path in paths("a/b/c", "a/b/other", "a/b/c/d/e")] == [True] * 3
    assert [part.wants_file(path) for path in paths("a", "a/x", "x", "a/b/x/y")] == [False] * 4
    assert not part.is_whole


def test_everything_is_everything():
    part = Part(ALL, [(), path_of("a")])
    assert part.is_whole
    assert part.wants_file(path_of("x/y"))
    assert part.wants_directory(path_of("x/y/z"))


def test_what_is_excluded_stays_excluded():
    part = Part(Filters((), (b"*.o", b"build")), [()])
    assert not part.wants_file(path_of("a/b.o"))
    assert not part.wants_directory(path_of("a/build"))
    assert part.wants_file(path_of("a/b.c"))


NAMES = some.lists(some.sampled_from([b"a", b"b", b"c"]), max_size=4).map(tuple)


@given(changed=some.lists(NAMES, min_size=1), path=NAMES.filter(bool))
def test_what_is_wanted_can_be_reached(changed, path):
    """Directories are entered one by one, so each above something that is wanted has to be wanted, too."""
    part = Part(ALL, changed)
    if part.wants_file(path) or part.wants_directory(path):
        assert all(part.wants_directory(path[:depth]) for depth in range(1, len(path)))
    if any(path[: len(each)] == each for each in changed):
        assert part.wants_file(path)
        assert part.wants_directory(path)


# --- what is gathered -------------------------------------------------------------------------------------------------


def test_what_was_taken_is_forgotten(changes):
    changes.add(paths("a", "b/c"))
    changes.add(paths("a"))
    assert changes.take() == set(paths("a", "b/c"))
    assert changes.take() == set()


def test_too_many_changes_are_one_of_everything(changes, monkeypatch):
    monkeypatch.setattr(watch, "MOST_PATHS", 100)
    for number in range(101):
        changes.add([(b"%d" % number,)])
    assert changes.take() == {()}
    changes.add([(), path_of("a")])
    changes.add(paths("b"))
    assert changes.take() == {()}


def test_changes_of_what_is_excluded_are_none():
    changes = Changes(Filters((), (b"*.log", b"build")))
    changes.add(paths("a.log", "build/x", "a/build", "b/build/c/d", f"{TRASH.decode()}/x", TRASH.decode()))
    assert changes.take() == set()
    changes.add(paths("a.txt"))
    assert changes.take() == {path_of("a.txt")}


# --- pauses -----------------------------------------------------------------------------------------------------------


def test_it_waits_until_it_is_quiet(changes):
    clock = changes.clock
    clock.events = [(100.0 + number, lambda: changes.add(paths("a"))) for number in (5, 5.5, 6.2)]
    assert changes.wait(1.0, 10.0, 1000.0)
    assert clock.now == pytest.approx(107.2)


def test_it_does_not_wait_for_ever_if_it_is_never_quiet(changes):
    clock = changes.clock
    clock.events = [(100.0 + number / 2, lambda: changes.add(paths("a"))) for number in range(1, 1000)]
    assert changes.wait(1.0, 10.0, 1000.0)
    assert clock.now == pytest.approx(110.5, abs=0.6)


def test_without_changes_it_waits_until_that_time(changes):
    assert not changes.wait(1.0, 10.0, 160.0)
    assert changes.clock.now == 160.0


def test_a_pause_ends_at_that_time_too(changes):
    changes.add(paths("a"))
    assert changes.wait(100.0, 200.0, 130.0)
    assert changes.clock.now == 130.0


def test_changes_of_another_thread_wake_it_up():
    changes = Changes(ALL)
    thread = threading.Thread(target=lambda: changes.add(paths("a")))
    thread.start()
    assert changes.wait(0.01, 10.0, float("inf"))
    thread.join()
    assert changes.take() == {path_of("a")}


def test_the_end_wakes_it_up():
    changes = Changes(ALL)
    changes.end()
    assert not changes.wait(1.0, 10.0, float("inf"))
