"""Servers for one delivery, with real clients: when they end, when they do not, and what they leave."""

from __future__ import annotations

import contextlib
import gc
import os
import threading

import pytest

from secftp.client.__main__ import main
from secftp.crypto import Suite
from secftp.errors import (
    AlreadyExists,
    AuthenticationError,
    FileError,
    Forbidden,
    NotFound,
    SecftpError,
    ServerUnreachable,
    UsageError,
)
from secftp.keys import Key, read_key_file, write_key_file
from secftp.protocol import Read, Write
from secftp.server.options import ServerLimits
from secftp.session import Session
from secftp.sharing.handover import Handover
from secftp.sharing.inbox import open_inbox
from secftp.storage.names import partial_name
from secftp.storage.selection import SelectionStore
from tests.support.handing_over import Recorded, receiving, sharing
from tests.support.serving import DEADLINE, HOST, KEY, WRONG_KEY, Hostile, credentials, get, listing, put, until

LARGE = 6 << 20  # enough for several streams


@pytest.fixture
def here(tmp_path):
    """What is shared, something beside it, and where it goes."""
    for name in ("shared/plan.txt", "shared/photos/a", "shared/photos/deep/b", "shared/secret"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "target").mkdir()
    write_key_file(tmp_path / "key")
    return tmp_path


@pytest.fixture
def key(here):
    return read_key_file(here / "key")


def secftp(here, verb, port, *words):
    """A command in this process; a word that begins with two slashes is a path at the server."""
    given = [f"secftp://{HOST}:{port}/{word[2:]}" if word.startswith("//") else word for word in map(str, words)]
    return main([verb, "-q", "--key-file", str(here / "key"), *given])


def shared(here):
    return here / "shared" / "plan.txt", here / "shared" / "photos"


def test_one_complete_download_ends_it(here, key):
    with sharing(*shared(here), key=key) as server:
        assert secftp(here, "get", server.port, "//", here / "target") == 0
        complete = server.wait_for("complete")
    assert listing(here / "target") == ["photos", "photos/a", "photos/deep", "photos/deep/b", "plan.txt"]
    assert (server.delivered, complete.files, complete.host) == (1, 3, HOST)
    assert complete.nbytes == sum(map(len, ("shared/plan.txt", "shared/photos/a", "shared/photos/deep/b")))
    assert {event.path for event in server.events if event.kind == "file"} == {
        (b"plan.txt",), (b"photos", b"a"), (b"photos", b"deep", b"b"),
    }  # fmt: skip


def test_nothing_else_ends_it(here, key):
    (here / "big").write_bytes(os.urandom(LARGE))
    with sharing(*shared(here), here / "big", key=key) as server:
        assert secftp(here, "ls", server.port, "//") == 0
        assert secftp(here, "sum", server.port, "//big") == 0
        assert secftp(here, "get", server.port, "//plan.txt", here / "target") == 0
        assert secftp(here, "get", server.port, "//photos", here / "target") == 0
        with server.session(key) as session:
            for at in (0, LARGE // 2 + 1):
                get(session, b"big", offset=at, length=LARGE // 2)
        with Hostile(server.port, key) as wire:  # cut before BYE, after all of the file was sent
            wire.welcome()
            wire.send(Read(id=1, path=(b"big",)))
            assert wire.receive().size == LARGE
            assert len(wire.receive_file()[0]) == LARGE
        with server.session(key) as session:  # which says BYE, but has nothing to do with it
            session.stat((b"big",))
        assert not server.is_over
        assert "complete" not in server.kinds()
        assert secftp(here, "get", server.port, "//big", here / "target") == 0
    assert server.delivered == 1


@pytest.mark.parametrize("options", [[], ["--streams", "1"], ["--streams", "4"], ["--cipher", "aes128"]])
def test_a_large_file_is_complete_with_its_last_part(here, key, options):
    (here / "big").write_bytes(os.urandom(LARGE))
    with sharing(here / "big", key=key) as server:
        assert secftp(here, "get", server.port, *options, "//", here / "target") == 0
    assert (here / "target" / "big").read_bytes() == (here / "big").read_bytes()


def test_what_was_interrupted_is_continued(here, key):
    data = os.urandom(LARGE)
    (here / "big").write_bytes(data)
    (here / "target" / "big").write_bytes(data[: LARGE // 2])
    (here / "target" / "big").rename(here / "target" / partial_name(b"big").decode())
    with sharing(here / "big", key=key) as server:
        assert secftp(here, "get", server.port, "--resume", "//", here / "target") == 0
        complete = server.wait_for("complete")
    assert (here / "target" / "big").read_bytes() == data
    assert complete.nbytes <= LARGE // 2 + 1


def test_a_failure_at_the_client_is_none(here, key):
    (here / "target" / "plan.txt").mkdir()  # in the way
    with sharing(*shared(here), key=key) as server:
        assert secftp(here, "get", server.port, "//", here / "target") != 0
        assert server.wait_for("incomplete").files >= 2
        assert not server.is_over
        (here / "target" / "plan.txt").rmdir()
        assert secftp(here, "get", server.port, "//", here / "target") == 0
    assert server.delivered == 1


def test_only_these_files_and_only_to_be_read(here, key):
    with sharing(*shared(here), key=key) as server:
        with server.session(key) as session:
            session.stat(())
            assert session.welcome.rights == ("read", "list")
            for path in ((b"secret",), (b"photos", b"..secret"), (b"shared", b"secret")):
                with pytest.raises(NotFound):
                    get(session, path)
            for change in (
                lambda: put(session, b"new", b"x"),
                lambda: put(session, b"plan.txt", b"x"),
                lambda: session.remove((b"plan.txt",)),
                lambda: session.make_directory((b"new",)),
                lambda: session.rename((b"plan.txt",), (b"other",)),
                lambda: session.set_attributes((b"plan.txt",), mode=0o600),
            ):
                with pytest.raises(Forbidden):
                    change()
        assert secftp(here, "get", server.port, "//", here / "target") == 0
    assert listing(here / "shared") == ["photos", "photos/a", "photos/deep", "photos/deep/b", "plan.txt", "secret"]


def test_wrong_keys_and_sessions_without_encryption_are_refused(here):
    with sharing(*shared(here)) as server:
        for _ in range(2):
            with pytest.raises(AuthenticationError):
                server.session(WRONG_KEY)
        for refused in (lambda: server.session(None), lambda: server.session(suite=Suite.NONE)):
            with pytest.raises(SecftpError):
                refused()
        server.wait_for("refused", 2)
        with server.session() as session:
            for path in ((b"plan.txt",), (b"photos", b"a"), (b"photos", b"deep", b"b")):
                get(session, path)
    assert server.delivered == 1


def test_a_text_key_is_throttled_as_by_any_server(here):
    with sharing(here / "shared" / "plan.txt", key=Key.from_text("six words")) as server:
        for _ in range(ServerLimits().free_guesses):
            with pytest.raises(AuthenticationError):
                server.session(WRONG_KEY)
        waited = []
        with Session.open(
            HOST,
            server.port,
            credentials(Key.from_text("six words")),
            timeout=DEADLINE,
            on_wait=lambda: waited.append(1),
        ) as session:
            get(session, b"plan.txt")
    assert server.delivered == 1


def test_several_downloads(here, key):
    with sharing(*shared(here), key=key, times=2) as server:
        for number in (1, 2):
            assert secftp(here, "get", server.port, "//", here / "target") == 0
            assert server.wait_for("complete", number).files == 3
    assert server.delivered == 2


def test_another_reader_finishes_and_no_new_one_is_let_in(here, key, monkeypatch):
    """Also one that needs further requests for that."""
    monkeypatch.setattr("secftp.sharing.handover.IDLE_SECONDS", 2 * DEADLINE)
    with sharing(*shared(here), key=key) as server, server.session(key) as slow:
        assert get(slow, b"plan.txt")
        assert secftp(here, "get", server.port, "//", here / "target") == 0
        server.wait_for("complete")
        until(lambda: _is_refused(server), "no more clients are accepted")
        assert get(slow, (b"photos", b"a")) == b"shared/photos/a"
        assert not server.is_over
    assert server.delivered >= 1


def _is_refused(server):
    try:
        server.session().close()
    except ServerUnreachable:
        return True
    except SecftpError:
        return False
    return False


def test_a_session_that_only_idles_does_not_hold_up_the_end(here, key, monkeypatch):
    monkeypatch.setattr("secftp.sharing.handover.IDLE_SECONDS", 0.3)
    with sharing(*shared(here), key=key) as server:
        idle = server.session(key)
        idle.stat(())
        assert secftp(here, "get", server.port, "//", here / "target") == 0
        until(lambda: server.is_over, "the idle session is sent away")
        with contextlib.suppress(SecftpError):
            idle.close()


@pytest.mark.parametrize("taking", [False, True])
def test_the_time_is_over(here, key, taking):
    with (
        receiving(here / "target", key=key, seconds=0.2)
        if taking
        else sharing(*shared(here), key=key, seconds=0.2) as server
    ):
        until(lambda: server.is_over, "the time is over")
    assert server.delivered == 0


# --- receive ----------------------------------------------------------------------------------------------------------


def test_one_complete_delivery_ends_it(here, key):
    with receiving(here / "target", key=key) as server:
        assert secftp(here, "put", server.port, *shared(here), "//") == 0
        assert server.wait_for("complete").files == 3
    assert listing(here / "target") == ["photos", "photos/a", "photos/deep", "photos/deep/b", "plan.txt"]
    assert server.delivered == 1


def test_a_single_file_and_one_in_parts_are_deliveries(here, key):
    (here / "big").write_bytes(os.urandom(LARGE))
    for source, options in ((here / "shared" / "plan.txt", []), (here / "big", ["--streams", "4"])):
        with receiving(here / "target", key=key) as server:
            assert secftp(here, "put", server.port, *options, source, "//") == 0
    assert (here / "target" / "big").read_bytes() == (here / "big").read_bytes()


def test_what_is_refused_is_no_delivery_and_the_sender_sees_why(here, key):
    (here / "target" / "plan.txt").write_text("old")
    (here / "target" / "photos").mkdir()
    with receiving(here / "target", key=key) as server:
        assert secftp(here, "put", server.port, here / "shared" / "plan.txt", "//") == 8
        assert secftp(here, "put", server.port, here / "shared" / "photos", "//") == 8
        assert secftp(here, "put", server.port, here / "shared" / "secret", here / "shared" / "plan.txt", "//") == 1
        assert secftp(here, "mkdir", server.port, "//new") == 0
        for verb, words in (("ls", ["//"]), ("get", ["//plan.txt", "-"]), ("rm", ["//plan.txt"])):
            assert secftp(here, verb, server.port, *words) == 7
        assert not server.is_over
        assert "complete" not in server.kinds()
        assert secftp(here, "put", server.port, here / "shared" / "plan.txt", "//plan-2.txt") == 0
    assert listing(here / "target") == ["new", "photos", "plan-2.txt", "plan.txt", "secret"]
    assert (here / "target" / "plan.txt").read_text() == "old"


def test_refusals_count_also_for_a_client_that_does_not_say_that_it_has_failed(here):
    with receiving(here / "target") as server:
        (here / "target" / "old").touch()
        with server.session() as session:
            put(session, b"new", b"x")
            with pytest.raises(AlreadyExists):
                put(session, b"old", b"x")
        server.wait_for("incomplete")
        assert not server.is_over
        with server.session() as session:
            put(session, b"other", b"x")
    assert server.delivered == 1


def test_a_session_that_is_cut_is_no_delivery_and_the_next_one_of_the_client_goes_on(here):
    with receiving(here / "target") as server:
        session = server.session()
        put(session, b"one", b"x")
        session.interrupt()
        with contextlib.suppress(SecftpError):
            session.close()
        with server.session() as session:
            put(session, b"two", b"x")
        assert server.wait_for("complete").files == 2
    assert listing(here / "target") == ["one", "two"]


@pytest.mark.parametrize("taking", [False, True])
def test_nothing_is_left_of_it_after_an_interruption(here, key, taking):
    """As by Ctrl-C, in the middle of a file; threads and descriptors are counted by a fixture of all tests."""
    before = threading.active_count()
    store = open_inbox(str(here / "target")) if taking else SelectionStore([str(here / "shared" / "photos")])

    def interrupted():
        with Handover(store, KEY, takes=taking, hosts=[HOST], port=0) as handover, Hostile(handover.port) as wire:
            wire.welcome()
            if taking:
                wire.send(Write(id=1, path=(b"big",), size=LARGE, keep=True))
                wire.send_data(bytes(2 << 20))
                until(lambda: listing(here / "target"), "the file is begun")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    gc.collect()
    assert threading.active_count() == before
    assert listing(here / "target") == []


def test_a_tree_with_a_file_that_can_not_be_read_is_never_complete(here, key):
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    (here / "shared" / "photos" / "a").chmod(0)
    with sharing(*shared(here), key=key, seconds=3) as server:
        assert secftp(here, "get", server.port, "//", here / "target") == 1
    assert server.delivered == 0


def test_what_a_killed_one_has_left_is_removed_by_the_next(here, key):
    """A temporary file; a partial is kept for a week, as everywhere."""
    (here / "target" / (b".secftp-tmp-" + b"0" * 32).decode()).touch()
    with receiving(here / "target", key=key, seconds=0.2) as server:
        until(lambda: server.is_over, "the time is over")
    assert listing(here / "target") == []


def test_a_server_that_fails_is_an_error_and_not_the_end_of_the_time(here, monkeypatch):
    from secftp.server.server import FileServer

    def fail(*_):
        raise RuntimeError("broken")

    monkeypatch.setattr(FileServer, "serve", fail)
    with pytest.raises(RuntimeError, match="broken"), sharing(*shared(here)) as server:
        until(lambda: server.is_over, "it has ended")


def test_a_view_that_is_held_up_does_not_hold_up_a_download(here, key, monkeypatch):
    """Only some of the files are shown then, and the end is."""
    for number in range(100):
        (here / "shared" / "photos" / str(number)).touch()
    monkeypatch.setattr("secftp.sharing.handover.EVENTS", 20)
    may_go_on, shown = threading.Event(), []

    class Stopped(Recorded):
        needs_every_file = False

        def show(self, event):
            may_go_on.wait(DEADLINE)
            shown.append(event.kind)

    with sharing(*shared(here), key=key, view=Stopped()) as server:
        assert secftp(here, "get", server.port, "//", here / "target") == 0
        assert len(shown) < 20
        may_go_on.set()
    assert server.delivered == 1
    assert shown.count("file") < 103


def test_an_address_that_is_not_of_this_machine(here):
    with pytest.raises(UsageError):
        Handover(SelectionStore([str(here / "key")]), KEY, takes=False, hosts=["192.0.2.1"], port=0)


def test_file_errors_of_a_vanished_tree_are_no_complete_download(here, key):
    with sharing(here / "shared" / "plan.txt", key=key, seconds=1) as server:
        (here / "shared" / "plan.txt").unlink()
        with server.session(key) as session, pytest.raises(FileError):
            get(session, b"plan.txt")
        until(lambda: server.is_over, "the time is over")
    assert server.delivered == 0
