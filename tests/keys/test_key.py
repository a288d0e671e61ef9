"""`Key`: it is stretched once, and its representation shows nothing of it."""

from __future__ import annotations

import copy
import logging
import pickle
import threading
import traceback

import pytest

from secftp.errors import KeyFormatError
from secftp.keys import Key, generate_key
from tests.support.recorded_password import material, recorded

__all__ = ["recorded"]

TEXT = "the-cat-sat-on-the-mat"


def test_a_text_is_stretched_as_nfc_in_utf8(recorded):
    assert material(Key.from_text("cafe\N{COMBINING ACUTE ACCENT}")) == ("text", b"caf\xc3\xa9")


def test_a_generated_key_is_stretched_as_it_is_printed(recorded):
    key = generate_key()
    assert material(Key.from_text(key.lower().replace("-", " "))) == ("text", key.encode())


def test_a_secret_needs_no_stretching(recorded):
    secret = bytes(range(32))
    assert material(Key.from_secret(secret)) == ("secret", secret)


def test_an_empty_key_is_an_error_and_never_anonymous():
    with pytest.raises(KeyFormatError):
        Key.from_text("")


def test_nothing_is_stretched_before_it_is_needed_and_then_once(recorded):
    key = Key.from_text(TEXT)
    assert recorded == []
    assert key.password() is key.password()
    assert recorded == [("text", TEXT.encode())]


def test_threads_share_one_stretching(recorded):
    key = Key.from_text(TEXT)
    start = threading.Barrier(8)
    seen = []

    def use():
        start.wait()
        seen.append(key.password())

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, seen))) == 1
    assert len(recorded) == 1


def test_a_failed_stretching_can_be_repeated(recorded, monkeypatch):
    key = Key.from_text(TEXT)
    with monkeypatch.context() as failing:
        failing.setattr("tests.support.recorded_password.Password.made", None)
        with pytest.raises(AttributeError):
            key.password()
    assert material(key) == ("text", TEXT.encode())


def test_a_key_that_is_stretched_ahead_is_stretched_once(recorded):
    key = Key.from_text(TEXT)
    key.stretch_ahead()
    assert material(key) == ("text", TEXT.encode())
    assert recorded == [("text", TEXT.encode())]
    assert key._material == b""


def test_what_fails_in_the_thread_is_raised_by_the_caller(recorded, monkeypatch):
    """And no sooner: the thread itself says nothing, and the text is still there for another attempt."""
    key = Key.from_text(TEXT)
    with monkeypatch.context() as failing:
        failing.setattr("tests.support.recorded_password.Password.made", None)
        failing.setattr("_thread.start_new_thread", lambda function, arguments: function(*arguments))
        key.stretch_ahead()
        with pytest.raises(AttributeError):
            key.password()
    assert material(key) == ("text", TEXT.encode())


def test_a_secret_is_not_stretched_ahead(recorded, monkeypatch):
    monkeypatch.setattr("_thread.start_new_thread", lambda *_: pytest.fail("a thread was started"))
    Key.from_secret(bytes(range(32))).stretch_ahead()
    assert recorded == []


def test_a_key_shows_nothing(recorded, caplog):
    key = Key.from_text(TEXT)
    logging.getLogger("test").error("%s %r %s", key, key, [key])
    shown = "".join(traceback.format_exception(ValueError(key, [key])))
    for text in (str(key), repr(key), f"{key}", caplog.text, shown):
        assert "cat" not in text
    assert not hasattr(key, "__dict__")


def test_after_the_stretching_the_key_is_forgotten(recorded):
    key = Key.from_text(TEXT)
    key.password()
    assert not any(getattr(key, name) == TEXT.encode() for name in Key.__slots__)


def test_keys_are_not_compared():
    assert Key.from_text(TEXT) != Key.from_text(TEXT)


@pytest.mark.parametrize("leave", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_key_can_not_leave_its_process(leave):
    with pytest.raises(TypeError, match="pickled"):
        leave(Key.from_text(TEXT))
