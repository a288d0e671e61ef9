"""The table of `make demo`: medians, in turn, after a round that is not counted."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from secftp.client.terminal import Terminal

PATH = Path(__file__).resolve().parent.parent / "tools" / "demo.py"


@pytest.fixture
def demo():
    spec = importlib.util.spec_from_file_location("demo_under_test", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_row_has_the_medians_of_its_rounds(demo, tmp_path):
    source = tmp_path / "file"
    source.write_bytes(bytes(2_000_000))
    trips = [demo.Trip(*seconds, "abc") for seconds in ((1.0, 0.1), (9.0, 0.2), (2.0, 0.9))]
    assert demo.row(source, "aes128", trips).split() == ["file", "2.0", "MB", "aes128", "1.0", "10.0", "abc"]


def test_the_ciphers_take_turns_after_one_that_is_not_counted(demo, monkeypatch):
    """The first to need memory would otherwise pay for all."""
    tried = []

    def there_and_back(source, place, cipher, key, directory):
        tried.append(cipher)
        return demo.Trip(float(len(tried)), 0.0, "")

    monkeypatch.setattr(demo, "there_and_back", there_and_back)
    trips = demo.rounds_of(None, "", None, None)
    assert tried == ["none", *3 * ("none", "aes128", "aes256")]
    assert [trip.write_seconds for trip in trips["none"]] == [2.0, 5.0, 8.0]


def test_the_checksum_that_a_client_confirms_is_found(demo, capsys):
    Terminal().confirmed("xxh128", bytes(range(16)), 3)
    assert demo.CHECKSUM.findall(capsys.readouterr().err) == [bytes(range(16)).hex()]
