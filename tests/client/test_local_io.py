"""Control characters in files: a terminal receives none unless the user asked for it."""

from __future__ import annotations

import pytest

from secftp.client.local_io import _refuse_controls
from secftp.errors import UsageError


def send(batches):
    """Let the guard see these, one after the other."""
    guard = _refuse_controls("hint")
    for batch in batches:
        guard([memoryview(batch)])


@pytest.mark.parametrize(
    "hostile",
    [
        [b"\x1b[2J"],
        [b"\x07"],
        [b"\x00"],
        [b"\x08"],
        [b"a\rb\x0b"],
        [b"\x7f"],
        ["\x9b31m".encode()],
        ["\x85".encode()],
        ["\x80".encode()],
        ["\x9f".encode()],
        [b"\x9b31m"],
        [b"text, and then \xc2", b"\x9b31m"],
        [b"text", b"more text", b"\x1b]0;title\x07"],
    ],
    ids=repr,
)
def test_a_terminal_is_sent_nothing_that_it_obeys(hostile):
    """C0, DEL, and C1 both as characters and as single bytes; also where a batch ends within a character."""
    with pytest.raises(UsageError, match="not plain text"):
        send(hostile)


@pytest.mark.parametrize(
    "text",
    ["a line\r\nand\ta tab\n", "äöü ß € 日本語 \U0001f600", "\xa0 is a space"],
    ids=["ascii", "unicode", "after C1"],
)
def test_text_is_sent_whatever_its_language_and_however_it_is_split(text):
    send(bytes([byte]) for byte in text.encode())
