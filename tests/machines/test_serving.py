"""A server of a bucket as an operator runs it: credentials, starts that are refused, keys with buckets of their own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess

import pytest

import secftp
from secftp.errors import ExitCode
from secftp.keys import write_key_file
from tests.machines.faulty import Fault, FaultyStore
from tests.machines.stores import environment_of
from tests.support.serving import DEADLINE, HOST, environment, server_command, until

OLD = 1_577_934_245_678_901_234  # 2020, with nanoseconds


@pytest.fixture
def start(tmp_path, key_file):
    """A server that only checks, or ends at its start: its exit code and what it says."""
    home = tmp_path / "checking-home"
    home.mkdir()

    def run(root, *options, env):
        done = subprocess.run(
            [*server_command("0", "--host", HOST, "--key-file", key_file, "--root", root, *options), "--check-config"],
            env=environment(home, **env),
            cwd=home,
            capture_output=True,
            timeout=2 * DEADLINE,
            check=False,
        )
        assert b"Traceback" not in done.stderr, done.stderr
        told = done.stdout.decode() + done.stderr.decode()
        assert "secret" not in told, told
        return ExitCode(done.returncode), told

    return run


def connected(served, name=""):
    url = served.url.replace("secftp://", f"secftp://{name}@") if name else served.url
    return secftp.connect(url, key_file=served.key_file)


def test_a_start_that_can_not_succeed_ends_with_a_sentence(start, bucket):
    env = bucket.env
    nowhere = env | {"AWS_ENDPOINT_URL": f"http://{HOST}:9"}
    no_key = {name: value for name, value in env.items() if "KEY" not in name}
    no_key |= {"AWS_METADATA_ENDPOINT": f"http://{HOST}:9"}
    cases = [
        (("s3://no-such-bucket/x",), env, ExitCode.NOT_FOUND, "there is no such bucket"),
        ((bucket.url,), nowhere, ExitCode.UNREACHABLE, "it can't be reached"),
        ((bucket.url,), no_key, ExitCode.REFUSED, "there are no credentials for it"),
        ((bucket.url, "--min-free", "1G"), env, ExitCode.USAGE, "is about a disk"),
        ((f"{bucket.url}/../x",), env, ExitCode.USAGE, "`..`"),
        ((bucket.url,), no_key | {"AWS_PROFILE": "none"}, ExitCode.USAGE, "The profile none has no credentials"),
    ]
    for arguments, variables, code, part in cases:
        found, told = start(*arguments, env=variables)
        assert (found, part in " ".join(told.split())) == (code, True), told
    assert start(bucket.url, "--no-overwrite", env=env)[0] is ExitCode.OK, "moto has conditional writes and copies"
    assert bucket.keys() == []


def test_files_go_to_the_bucket_with_their_times_and_no_credential_into_the_log(serve, bucket, tmp_path):
    tree = tmp_path / "tree"
    (tree / "below").mkdir(parents=True)
    for number in range(40):
        (tree / "below" / str(number)).write_text(str(number))
    (tree / "old").write_bytes(b"x")
    os.utime(tree / "old", ns=(OLD, OLD))
    served = serve(f"{bucket.url}/pre", env=bucket.env)
    with connected(served) as client:
        client.put(tree, "tree")
        assert client.stat("tree/old").st_mtime_ns == OLD
        assert {entry.name: entry.stat().st_mtime_ns for entry in client.scandir("tree")}["old"] == OLD
        assert client.read_text("tree/below/7") == "7"
    assert served.end() == 0
    assert f"Serving the object store {bucket.url}/pre" in served.log
    assert bucket.env["AWS_SECRET_ACCESS_KEY"] not in served.log
    assert bucket.env["AWS_ACCESS_KEY_ID"] not in served.log
    keys = bucket.keys()
    assert {key.partition("/")[0] for key in keys} == {"pre"}
    stored = serve(f"{bucket.url}/pre", "--object-times", "stored", env=bucket.env)
    with connected(stored) as client:
        assert client.stat("tree/old").st_mtime_ns > OLD
        assert {entry.name: entry.stat().st_mtime_ns for entry in client.scandir("tree")}["old"] > OLD


def test_a_profile_of_aws_is_read_by_boto3(serve, bucket, tmp_path):
    (tmp_path / "aws").mkdir()
    file = tmp_path / "aws" / "credentials"
    file.write_text("[files]\naws_access_key_id = a-profile\naws_secret_access_key = hidden-secret\n")
    env = {name: value for name, value in bucket.env.items() if "KEY" not in name}
    env |= {"AWS_SHARED_CREDENTIALS_FILE": str(file), "AWS_PROFILE": "files"}
    served = serve(bucket.url, env=env)
    with connected(served) as client:
        client.write_bytes("a", b"1")
        assert client.read_bytes("a") == b"1"
    assert served.end() == 0
    assert "hidden-secret" not in served.log
    assert bucket.get("a") == b"1"


def test_a_store_that_hangs_does_not_keep_the_server_from_ending(serve, moto, client):
    bucket = moto.new_bucket()
    with contextlib.closing(FaultyStore(int(moto.url.rpartition(":")[2]))) as faulty:
        served = serve(f"{bucket.url}/p", "--grace", "1", env=environment_of(faulty.url))
        with connected(served) as first:
            first.write_bytes("name", b"1")
        faulty.plan = lambda _request: Fault("stall")
        begun = len(faulty.requests)
        waiting = [client("stat", f"{served.url}/name"), client("ls", f"{served.url}/")]
        until(lambda: len(faulty.requests) >= begun + len(waiting), "the store is asked")
        assert served.end() == 0
        assert "Stopped." in served.log
        assert [process.wait() for process in waiting] == [ExitCode.CONNECTION_LOST] * 2


def test_a_reload_gives_a_key_another_bucket(serve, moto, tmp_path, key_file):
    one, two = moto.new_bucket(), moto.new_bucket()
    (tmp_path / "root").mkdir()
    write_key_file(tmp_path / "unused")
    keys = tmp_path / "keys.toml"
    keys.touch(0o600)

    def write(url):
        keys.write_text(f'[me]\nkey-file = "{key_file}"\nfolder = "{url}"\nrights = "full"\n')

    write(f"{one.url}/a")
    served = serve(tmp_path / "root", "--keys", keys, env=one.env)
    with connected(served, "me") as client, connected(served) as other:
        client.write_bytes("name", b"1")
        other.write_bytes("name", b"on the disk")
        write(f"{two.url}/b")
        os.kill(served.pid, signal.SIGHUP)
        until(lambda: "The keys were reloaded." in served.log, "a reload")
        with connected(served, "me") as again:
            again.write_bytes("name", b"2")
        assert client.read_bytes("name") == b"1"  # its session keeps what it had
        write("s3://no-such-bucket")
        os.kill(served.pid, signal.SIGHUP)
        until(lambda: "The keys were not changed: The directory of the key me: the object" in served.log, "a refusal")
        with connected(served, "me") as again:
            assert again.read_bytes("name") == b"2"
    assert served.end() == 0
    assert (one.get("a/name"), two.get("b/name")) == (b"1", b"2")
    assert (tmp_path / "root" / "name").read_bytes() == b"on the disk"
