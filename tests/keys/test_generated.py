"""Recognition of generated keys: a server that has no others needs no delays after wrong keys."""

from __future__ import annotations

import pytest

from secftp.crypto import Password
from secftp.errors import AuthenticationError
from secftp.keys import Key, generate_key, read_key_file, write_key_file
from secftp.keys.key import generate_secret, is_generated_secret
from secftp.keys.named import read_keys
from secftp.server.access import Access, NamedKey, Rights

RIGHTS = Rights(read=True, write=True, overwrite=True)


def test_a_text_of_the_generator_is_one_in_any_case():
    for _ in range(20):
        text = generate_key()
        for form in (text, text.lower(), f" {text}", text.replace("-", " "), text + "\n"):
            assert Key.from_text(form).generated


@pytest.mark.parametrize(
    "text",
    ["correct horse battery staple", "x", "abcde-fghij-klmno-pqrst-uvwxy-z", "1" * 26, "0" * 27],
)
def test_a_text_that_a_user_chose_is_none(text):
    assert not Key.from_text(text).generated


def test_a_text_that_has_27_letters_by_chance_is_none():
    """One in 37 of them has the right check symbol: nothing else but the layout tells it from a passphrase."""
    text = generate_key().replace("-", "")
    assert not Key.from_text(text).generated
    assert not Key.from_text("-".join([text[:9], text[9:18], text[18:]])).generated


def test_a_key_file_of_the_generator_is_one(tmp_path):
    write_key_file(tmp_path / "key")
    assert read_key_file(tmp_path / "key").generated
    (tmp_path / "text").write_text(generate_key() + "\n")
    (tmp_path / "own").write_text("correct horse battery staple\n")
    for name, expected in [("text", True), ("own", False)]:
        (tmp_path / name).chmod(0o600)
        assert read_key_file(tmp_path / name).generated is expected


def test_a_stretched_text_in_a_key_file_is_none():
    """A key file may hold any secret; that of a text can be guessed as the text."""
    assert not Key.from_secret(Password.from_key(b"correct horse").secret()).generated
    assert not any(is_generated_secret(Password.random().secret()) for _ in range(100))


def test_every_bit_of_a_generated_secret_counts():
    secret = generate_secret()
    assert is_generated_secret(secret)
    for bit in range(256):
        turned = (int.from_bytes(secret, "big") ^ 1 << bit).to_bytes(32, "big")
        assert not is_generated_secret(turned)


def test_secrets_differ_and_are_usable():
    made = {generate_secret() for _ in range(50)}
    assert len(made) == 50
    for secret in made:
        Key.from_secret(secret).password()


def test_one_that_is_out_of_range_is_drawn_again(monkeypatch):
    refused = []
    from_secret = Password.from_secret

    def fail_once(secret):
        if not refused:
            refused.append(secret)
            raise AuthenticationError("out of range")
        return from_secret(secret)

    monkeypatch.setattr(Password, "from_secret", fail_once)
    assert generate_secret() not in refused


def named(*keys):
    return {str(number): NamedKey(key.password(), RIGHTS, None, key.generated) for number, key in enumerate(keys)}


def test_a_server_s_keys_can_be_guessed_if_one_of_them_can():
    good, other = Key.from_secret(generate_secret()), Key.from_secret(bytes(31) + b"\x07")
    assert not Access(good).guessable
    assert Access(other).guessable
    assert not Access(good, named=named(good)).guessable
    assert Access(good, named=named(good, other)).guessable
    assert Access(other, named=named(good)).guessable
    assert not Access(None, anonymous=True).guessable, "there is nothing to guess"


def test_a_file_of_named_keys_says_which_were_generated(tmp_path):
    write_key_file(tmp_path / "made.key")
    path = tmp_path / "keys.toml"
    path.write_text('[made]\nkey-file = "made.key"\nrights = "full"\n[own]\nkey = "a text"\nrights = "full"\n')
    path.chmod(0o600)
    assert {name: entry.key.generated for name, entry in read_keys(path).items()} == {"made": True, "own": False}
