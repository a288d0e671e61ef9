"""Checksums of local files that a thread computes ahead, and what becomes of a file that only one side can read."""

from __future__ import annotations

import os
import threading

import pytest

from secftp.client import comparison
from secftp.client.local_digests import LocalDigests
from secftp.errors import ExitCode, FileError, Forbidden
from secftp.protocol import Algorithm
from tests.support.plain import bound_by_permissions
from tests.support.serving import MemorySource, digest_of


def name(number):
    return (b"%d" % number,)


def test_they_come_in_order_and_a_failure_is_that_of_its_file():
    gate = threading.Event()
    watched = []

    def open_source(path):
        gate.wait(10)
        if path == name(3):
            raise FileError("It can't be read.", filename="3")
        return MemorySource(path[0] * 1000)

    def watch(read):
        watched.append(read)
        gate.set()

    with LocalDigests(open_source, Algorithm.XXH128) as digests:
        for number in range(100):
            digests.add(name(number))  # before the first is opened
        for number in range(100):
            if number == 3:
                with pytest.raises(FileError, match="can't be read"):
                    digests.take(watch)
                continue
            contents = b"%d" % number * 1000
            assert digests.take(watch) == (digest_of(contents), len(contents))
    assert watched  # the first was waited for


def test_what_is_left_is_given_up():
    """As when the comparison ends early: the thread ends, whatever it still had to do."""
    opened = []

    def open_source(path):
        opened.append(path)
        return MemorySource(bytes(100))

    before = threading.active_count()
    with LocalDigests(open_source, Algorithm.XXH128) as digests:
        for number in range(10_000):
            digests.add(name(number))
        digests.take(lambda _: None)
    assert threading.active_count() == before
    assert len(opened) <= 10_000


def test_without_a_file_there_is_no_thread():
    before = threading.active_count()
    with LocalDigests(lambda _: MemorySource(b""), Algorithm.XXH128):
        assert threading.active_count() == before


def test_files_that_one_side_can_not_read_fail_alone(secftp, tmp_path, root, monkeypatch):
    """The others are compared with their own checksums, not with those of their neighbours."""
    here = tmp_path / "here"
    here.mkdir()
    for number in range(20):
        for directory in (here, root):
            (directory / f"{number:02}").write_bytes(b"%02d" % number)
    real = comparison.checksums

    def checksums(session, files, algorithm):
        for path, outcome in real(session, files, algorithm):
            yield path, Forbidden("there", filename=path[0].decode()) if path[0] in (b"07", b"09") else outcome

    monkeypatch.setattr(comparison, "checksums", checksums)
    with bound_by_permissions():
        os.chmod(here / "05", 0)
        os.chmod(here / "09", 0)
        result = secftp("verify", here, "//")
    assert (result.code, result.output) == (ExitCode.FAILED, b"")
    assert "0 differences, 17 files the same" in result.errors
    assert "3 failures, reported above" in result.errors
    assert result.errors.count("secftp: there\n") == 2
    assert "secftp: Permission denied: 05\n" in result.errors
