"""Worker processes that get a file system, a file or a URL from their parent, however they are started."""

from __future__ import annotations

import multiprocessing
import os
import pickle
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import fsspec
import pytest

from secftp.keys import read_key_file
from tests.support.serving import listing

METHODS = ["fork", "spawn", "forkserver"]
# What Python 3.12 and newer say of every fork in a process with threads, and pandas' libraries have some.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")


@pytest.fixture(params=METHODS)
def workers(request):
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(request.param)) as executor:
        yield executor


def read(file):
    with file as opened:
        return os.getpid(), opened.read()


def read_by_path(filesystem, path):
    return os.getpid(), filesystem.cat_file(path)


def write_by_path(filesystem, path):
    with filesystem.open(path, "wb") as file:
        file.write(path.encode())
    return filesystem.size(path)


def read_rest(file):
    return file.tell(), file.read()


def fill(directory, count):
    for number in range(count):
        (directory / f"file {number}").write_bytes(b"contents %d" % number)


def test_a_file_system_that_is_in_use(remote, workers):
    fill(remote.root, 20)
    filesystem = remote.filesystem()
    assert len(filesystem.ls(remote.path)) == 20
    paths = filesystem.glob(f"{remote.path}/*")
    found = list(workers.map(read_by_path, [filesystem] * 20, paths))
    assert sorted(data for _, data in found) == sorted(b"contents %d" % number for number in range(20))
    assert os.getpid() not in {pid for pid, _ in found}
    assert filesystem.cat_file(paths[0]).startswith(b"contents"), "the parent's connection was used by a child"


def test_open_files_of_fsspec(remote, workers):
    fill(remote.root, 10)
    files = fsspec.open_files(remote.of("file *"), **remote.options)
    assert sorted(data for _, data in workers.map(read, files)) == sorted(b"contents %d" % n for n in range(10))


def test_files_that_are_written_by_workers(remote, workers):
    filesystem = remote.filesystem()
    filesystem.exists(remote.path)
    paths = [f"{remote.path}/new/{number}" for number in range(10)]
    assert list(workers.map(write_by_path, [filesystem] * 10, paths)) == [len(path) for path in paths]
    assert listing(remote.root) == sorted(["new", *(f"new/{number}" for number in range(10))])


def test_an_open_file_goes_on_where_it_is(remote, workers):
    (remote.root / "file").write_bytes(b"0123456789")
    with remote.filesystem().open(f"{remote.path}/file") as file:
        assert file.read(4) == b"0123"
        assert workers.submit(read_rest, file).result(60) == (4, b"456789")
        assert file.read() == b"456789"


class Samples(NamedTuple):
    """A data set as those of torch: a list of files, each read when it is asked for."""

    filesystem: object
    paths: list

    def __getitem__(self, index):
        with self.filesystem.open(self.paths[index]) as file:
            return file.read()


def load(samples, indices, results):
    """A worker of a data loader: it inherits the data set when forked, and gets it as a pickle when spawned."""
    for index in indices:
        results.put((index, samples[index]))


@pytest.mark.parametrize("method", METHODS)
def test_a_data_loader(remote, method):
    fill(remote.root, 12)
    filesystem = remote.filesystem()
    samples = Samples(filesystem, filesystem.glob(f"{remote.path}/*"))
    assert samples[0]  # the parent has a connection that a forked worker must not use
    context = multiprocessing.get_context(method)
    results = context.Queue()
    started = [
        context.Process(target=load, args=(samples, range(first, 12, 3), results), daemon=True) for first in range(3)
    ]
    for worker in started:
        worker.start()
    found = dict(results.get(timeout=60) for _ in range(12))
    for worker in started:
        worker.join(60)
        assert worker.exitcode == 0
    assert [found[index] for index in range(12)] == [samples[index] for index in range(12)]
    results.close()


def test_a_pickle_has_no_text_of_a_key(remote, key_file):
    secret = key_file.read_text().split()[-1].encode()
    assert len(secret) > 20
    (remote.root / "file").write_bytes(b"x")
    filesystem = remote.filesystem()
    filesystem.info(f"{remote.path}/file")
    with filesystem.open(f"{remote.path}/file") as file:
        for thing in (filesystem, fsspec.open(remote.of("file"), **remote.options), file):
            assert secret not in pickle.dumps(thing)
            assert secret.decode() not in repr(thing)
    assert secret.decode() not in filesystem.to_json()


def test_a_key_itself_stays_in_its_process(remote, key_file):
    """It would have to leave in the clear; the error names the option that does not need that."""
    filesystem = fsspec.filesystem("secftp", **remote.host, key=read_key_file(key_file))
    pickled = pickle.dumps(filesystem)
    assert key_file.read_bytes().split()[-1] not in pickled
    assert pickle.loads(pickled) is filesystem
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as executor, pytest.raises(ValueError, match="key_file"):
        executor.submit(unpickle, pickled).result(60)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as executor:
        assert executor.submit(list_with, filesystem, remote.path).result(60) == []


def unpickle(pickled):
    try:
        return pickle.loads(pickled)
    except ValueError as problem:
        raise ValueError(f"{problem} {problem.hint}") from None


def list_with(filesystem, path):
    return filesystem.ls(path)
