"""Keys on the real core: the stretched secret of each vector, key files, and secrets out of range."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from secftp.errors import KeyFormatError
from secftp.keys import Key, read_key_file, write_key_file

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "secftp1.json").read_text())
# The group's order (RFC 9382 section 4, P-256): a secret is below it.
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
STRETCHED = {session["key"]: session["w"] for session in VECTORS["sessions"] if session["mode"] == 1}


@pytest.mark.parametrize("text", STRETCHED)
def test_the_vectors_keys_are_stretched_as_the_protocol_says(text):
    assert Key.from_text(text).password().secret().hex() == STRETCHED[text]


def test_a_made_key_file_gives_the_secret_in_it(tmp_path):
    for name in ("one", "other"):
        write_key_file(tmp_path / name)
        line = (tmp_path / name).read_bytes()
        assert (
            base64.b64decode(line.removeprefix(b"secftp-key-1 ")) == read_key_file(tmp_path / name).password().secret()
        )
    assert (tmp_path / "one").read_bytes() != (tmp_path / "other").read_bytes()


@pytest.mark.parametrize("number", [1, ORDER - 1])
def test_secrets_at_the_ends_of_their_range_are_taken(number):
    secret = number.to_bytes(32, "big")
    assert Key.from_secret(secret).password().secret() == secret


@pytest.mark.parametrize("number", [0, ORDER, ORDER + 1, 2**256 - 1])
def test_a_secret_out_of_range_is_a_damaged_key_file(number):
    key = Key.from_secret(number.to_bytes(32, "big"))
    with pytest.raises(KeyFormatError, match="out of range") as caught:
        key.password()
    assert caught.value.hint
