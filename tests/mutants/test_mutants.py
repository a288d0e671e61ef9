"""Verdict on a mutant: a test that fails on its own, or at random, does not count as detection."""

from __future__ import annotations

import pytest

from tests.mutants.worker import CHANCES, HANGS, Broken, Unchanged, noticed

TESTS = ("tests/test_a.py", "tests/test_b.py")
FIRST, SECOND = "tests/test_a.py::test_first", "tests/test_b.py::test_second"


class Copy:
    """Tests as they end: `failing(asked)` says which one is the first to fail, or what else comes of them."""

    def __init__(self, failing):
        self._failing = failing
        self.asked = []

    def __call__(self, tests, seconds):
        self.asked.append(tests)
        return self._failing(tests)


def fails(*names):
    """These tests fail whenever they are run and are not left out."""
    return lambda tests: next(
        (name for name in names if f"--deselect={name}" not in tests and (tests == (name,) or len(tests) > 1)), None
    )


def by_chance(name):
    """This test fails the first time and passes when it is run alone."""
    return lambda tests: None if tests == (name,) or f"--deselect={name}" in tests else name


def judge(with_mutant, without):
    return noticed(Copy(with_mutant), Unchanged(lambda: Copy(without)), TESTS, 1)


def test_a_test_that_fails_with_the_mutant_alone_has_noticed_it():
    assert judge(fails(FIRST), fails()) == FIRST


def test_tests_that_pass_have_noticed_nothing():
    assert judge(fails(), fails()) is None


def test_a_test_that_fails_without_the_mutant_has_noticed_nothing():
    assert judge(fails(FIRST), fails(FIRST)) is None


def test_a_test_that_fails_once_has_noticed_nothing():
    assert judge(by_chance(FIRST), fails()) is None


def test_what_notices_is_found_behind_what_fails_by_itself():
    assert judge(fails(FIRST, SECOND), fails(FIRST)) == SECOND


@pytest.mark.parametrize("how", [HANGS, "the self-test at the start", "status 3", "tests.sanitize"])
def test_what_names_no_test_counts_if_all_of_them_pass_without_the_mutant(how):
    assert judge(lambda _: how, fails()) == how
    with pytest.raises(Broken, match="as well"):
        judge(lambda _: how, lambda _: how)


def test_a_machine_on_which_everything_fails_proves_nothing():
    names = [f"tests/test_a.py::test_{number}" for number in range(CHANCES + 1)]
    with pytest.raises(Broken, match="too many"):
        judge(fails(*names), fails(*names))


def test_what_has_passed_without_a_mutant_is_not_run_again():
    clean = Copy(fails(SECOND))
    made = []
    unchanged = Unchanged(lambda: made.append(1) or clean)
    assert not made
    for _ in range(3):
        assert unchanged.passes((FIRST,), 1)
        assert not unchanged.passes((SECOND,), 1)  # it may have been a deadline: it is asked anew
    assert clean.asked == [(FIRST,), (SECOND,), (SECOND,), (SECOND,)]
    assert made == [1]
