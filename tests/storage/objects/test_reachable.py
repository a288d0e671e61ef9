"""Whether a store can be used, and what the operator is told if not: a sentence, a hint, and no credential."""

from __future__ import annotations

import sys
import types

import pytest

from secftp.errors import (
    FileError,
    Forbidden,
    InputOutputError,
    InstallationError,
    NotFound,
    ServerUnreachable,
    UsageError,
)
from secftp.storage.errors import failure
from secftp.storage.objects import open_objects
from secftp.storage.objects.bucket import Bucket
from secftp.storage.objects.credentials import credential_provider
from secftp.storage.objects.reachable import check_reachable, told_about
from tests.support.buckets import bucket, objects

__all__ = ["bucket", "objects"]

SECRET = "hunter2"
URL = "s3://bucket/pre"


def answered(status, code):
    return (
        f"Generic S3 error: Error performing GET http://host/bucket?list-type=2&sig={SECRET} in 15ms - Server returned "
        f'non-2xx status code: {status}: <?xml version="1.0"?>\n<Error><Code>{code}</Code><Key>{SECRET}</Key></Error>'
    )


def answered_without_prolog(status, code):
    return answered(status, code).replace('<?xml version="1.0"?>\n', "")


def asked(address):
    return f"Generic S3 error: Error performing PUT http://{address}/latest/api/token in 1s - HTTP error: error sending"


# What a store or its client says, with the exception and a part of the sentence.
SAID = {
    answered("404 Not Found", "NoSuchBucket"): (NotFound, "there is no such bucket"),
    answered("404 Not Found", "ContainerNotFound"): (NotFound, "there is no such bucket"),
    answered("403 Forbidden", "InvalidAccessKeyId"): (Forbidden, "refuses the credentials"),
    answered("403 Forbidden", "AccessDenied"): (Forbidden, r"refuses .* \(AccessDenied\)"),
    answered("400 Bad Request", "ExpiredToken"): (Forbidden, "refuses the credentials"),
    answered("301 Moved", "PermanentRedirect"): (InputOutputError, "in another region"),
    "Received redirect without LOCATION, an incorrectly configured region": (InputOutputError, "in another region"),
    asked("169.254.169.254"): (Forbidden, "there are no credentials"),
    asked("metadata.google.internal"): (Forbidden, "there are no credentials"),
    "Generic S3 error: GET http://host/ after 3 retries - HTTP error: error sending request": (
        ServerUnreachable,
        "can't be reached",
    ),
    answered("500 Internal", "InternalError"): (InputOutputError, ""),
    answered_without_prolog("500 Internal", "InternalError"): (InputOutputError, ""),
    answered_without_prolog("403 Forbidden", "AccessDenied"): (Forbidden, r"refuses .* \(AccessDenied\)"),
}


class Failing(Bucket):
    def __init__(self, problem):
        self._problem = problem

    def list(self, prefix, path, *, offset=None):
        raise self._problem
        yield


def failing(told, kind=InputOutputError, cause=OSError):
    problem = failure(kind, "The object store reported an error", ())
    problem.__cause__ = cause(told)
    return Failing(problem)


@pytest.mark.parametrize("told", SAID, ids=range(len(SAID)))
def test_what_is_wrong_is_told_to_the_operator(told):
    expected, part = SAID[told]
    with pytest.raises(expected, match=rf"^The object store s3://bucket/pre can't be used.*{part}.*\.(\n|$)") as raised:
        check_reachable(failing(told), "pre/", URL)
    assert raised.value.hint
    assert SECRET not in str(raised.value) + raised.value.hint
    assert raised.value.__cause__ is None
    assert "\n" not in raised.value.hint


def test_what_is_refused_is_a_matter_of_the_credentials_whatever_the_code():
    with pytest.raises(Forbidden, match="refuses the credentials"):
        check_reachable(failing("no", Forbidden), "", URL)


def test_what_the_store_says_is_escaped_and_cut():
    problem = failing(f"\x1b[31m {'x' * 5000} http://host/?token={SECRET}\nsecond")._problem
    told = told_about(problem)
    assert "\x1b" not in told
    assert len(told) < 300
    assert told_about(FileError("alone")) == ""


def test_an_object_whose_name_can_not_be_served_does_not_end_the_start():
    class InvalidPathError(Exception):
        pass

    check_reachable(failing("odd//x", cause=InvalidPathError), "", URL)


def test_an_empty_bucket_is_one(objects, bucket):
    objects.check()
    objects.beneath((b"below",)).check()


# --- credentials ----------------------------------------------------------------------------------------------------


class BotoCoreError(Exception):
    pass


@pytest.fixture
def aws(monkeypatch, tmp_path):
    """A home with a file of credentials, and no variable of AWS."""
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_PROFILE",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_SHARED_CREDENTIALS_FILE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").touch()
    return tmp_path


@pytest.fixture
def boto3(monkeypatch):
    """A library that finds what a test says."""
    found = types.SimpleNamespace(provider=object(), failure=None)

    def provide():
        if found.failure is not None:
            raise found.failure
        return found.provider

    monkeypatch.setitem(sys.modules, "obstore.auth.boto3", types.SimpleNamespace(Boto3CredentialProvider=provide))
    monkeypatch.setitem(sys.modules, "botocore", types.ModuleType("botocore"))
    monkeypatch.setitem(sys.modules, "botocore.exceptions", types.SimpleNamespace(BotoCoreError=BotoCoreError))
    return found


# Variables, and whether the file counts then.
CHAIN = {
    (): True,
    ("AWS_ACCESS_KEY_ID",): False,
    ("AWS_PROFILE",): True,
    ("AWS_ACCESS_KEY_ID", "AWS_PROFILE"): False,
    ("AWS_WEB_IDENTITY_TOKEN_FILE",): False,
    ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_PROFILE"): True,
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI",): False,
}


@pytest.mark.parametrize("variables", CHAIN, ids=" ".join)
def test_credentials_are_looked_for_in_the_order_of_aws(aws, boto3, monkeypatch, variables):
    for name in variables:
        monkeypatch.setenv(name, "value")
    assert credential_provider(URL) is (boto3.provider if CHAIN[variables] else None)
    for url in ("gs://bucket", "az://bucket"):
        assert credential_provider(url) is None


def test_without_a_file_and_without_a_profile_nothing_is_loaded(aws, monkeypatch):
    (aws / ".aws" / "credentials").unlink()
    monkeypatch.setitem(sys.modules, "botocore.exceptions", None)
    assert credential_provider(URL) is None
    (aws / "other").touch()
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(aws / "missing"))
    assert credential_provider(URL) is None


def test_a_file_alone_requires_no_library_and_a_profile_does(aws, monkeypatch):
    """The machine may have a role, too; but who names a profile means it."""
    monkeypatch.setitem(sys.modules, "botocore.exceptions", None)
    assert credential_provider(URL) is None
    monkeypatch.setenv("AWS_PROFILE", "me")
    with pytest.raises(InstallationError, match="require boto3") as raised:
        credential_provider(URL)
    assert "pip install boto3" in raised.value.hint


@pytest.mark.parametrize("problem", [BotoCoreError(SECRET), ValueError(SECRET)], ids=["no profile", "no credentials"])
def test_a_profile_without_credentials_is_told(aws, boto3, monkeypatch, problem):
    boto3.failure = problem
    monkeypatch.setenv("AWS_PROFILE", "me\x1b")
    with pytest.raises(UsageError, match=r"^The profile me\\x1b has no credentials") as raised:
        credential_provider(URL)
    assert SECRET not in str(raised.value) + raised.value.hint
    monkeypatch.delenv("AWS_PROFILE")
    with pytest.raises(UsageError, match=r"^The file of AWS credentials has no credentials"):
        credential_provider(URL)


def test_without_the_library_it_is_said_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "obstore", None)
    monkeypatch.setenv("AWS_PROFILE", "me")
    with pytest.raises(InstallationError, match="Object stores require obstore") as raised:
        open_objects(URL)
    assert "pip install 'secftp[objects]'" in raised.value.hint
