"""URLs of a Redis: which there are, and that none is repeated."""

from __future__ import annotations

import pytest

from secftp.errors import UsageError
from secftp.server.config import parse
from secftp.server.shared.url import SharedUrl, parse_shared_url

SECRET = "correct-horse"


@pytest.mark.parametrize(
    ("text", "url", "shown"),
    [
        ("redis://h", SharedUrl("h", 6379), "redis://h:6379/0"),
        ("redis://h:7/12", SharedUrl("h", 7, database=12), "redis://h:7/12"),
        ("rediss://h", SharedUrl("h", 6379, tls=True), "rediss://h:6379/0"),
        ("redis://me@[::1]:7", SharedUrl("::1", 7, user="me"), "redis://[::1]:7/0"),
        ("unix:///run/redis.sock", SharedUrl("", 0, path="/run/redis.sock"), "unix:///run/redis.sock"),
    ],
)
def test_where_a_redis_is(text, url, shown):
    assert parse_shared_url(text) == url
    assert str(url) == shown


@pytest.mark.parametrize(
    "text",
    [
        f"redis://:{SECRET}@h/0",
        f"redis://me:{SECRET}@h/0",
        f"rediss://h/0?password={SECRET}",
        f"redis://h/0#{SECRET}",
        f"redis://h:{SECRET}/0",
        f"redis://h/{SECRET}",
        f"redis://[{SECRET}/0",
        f"{SECRET}://h",
        f"unix://{SECRET}/path",
        "unix://",
        "redis://",
        "redis://h/-1",
        "redis://h/1234567",
        "redis://h/0\n",
        "redis:h",
        "",
    ],
)
def test_what_is_no_url_is_refused_and_not_repeated(text):
    with pytest.raises(UsageError) as caught:
        parse(["8888", "--shared", text])
    assert SECRET not in f"{caught.value} {caught.value.hint} {caught.value!r}"
    assert caught.value.__cause__ is None


def test_a_password_in_the_url_is_told_where_it_belongs():
    with pytest.raises(UsageError, match=r"--shared-password-file\) or SECFTP_SHARED_PASSWORD, not here"):
        parse(["8888", "--shared", f"redis://:{SECRET}@h/0"])


def test_the_password_comes_from_the_environment_or_a_file(monkeypatch):
    monkeypatch.setenv("SECFTP_SHARED_PASSWORD", SECRET)
    options = parse(["8888", "--shared", "redis://h"])
    assert options.shared_password == SECRET
    assert SECRET not in repr(options)
    monkeypatch.setenv("SECFTP_SHARED_PASSWORD", SECRET)
    with pytest.raises(UsageError, match="given twice"):
        parse(["8888", "--shared", "redis://h", "--shared-password-file", "f"])
    with pytest.raises(UsageError, match="and no Redis"):
        parse(["8888", "--shared-password-file", "f"])


def test_a_configuration_names_it(tmp_path):
    path = tmp_path / "server.toml"
    path.write_text('port = 1\nshared = "redis://h/3"\nshared-password-file = "pw"\n')
    options = parse(["--config", str(path)])
    assert options.shared == SharedUrl("h", 6379, database=3)
    assert options.shared_password_file == str(tmp_path / "pw")
    path.write_text(f'port = 1\nshared = "redis://:{SECRET}@h/3"\n')
    with pytest.raises(UsageError) as caught:
        parse(["--config", str(path)])
    assert SECRET not in f"{caught.value} {caught.value.hint}"
