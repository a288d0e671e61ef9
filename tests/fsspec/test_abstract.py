"""fsspec's own suite for file systems, whatever of it the installed version ships."""

from __future__ import annotations

import pytest

import secftp

abstract = pytest.importorskip("fsspec.tests.abstract")

from fsspec.implementations.local import LocalFileSystem  # noqa: E402 - of an optional library

from secftp.api.filesystem import SecftpFileSystem  # noqa: E402 - imports fsspec

KEY = "a key for these tests"


class Fixtures(abstract.AbstractFixtures):
    @pytest.fixture(scope="class")
    @classmethod
    def served(cls, tmp_path_factory):
        with secftp.Server(tmp_path_factory.mktemp("served"), KEY) as server:
            yield server

    @pytest.fixture
    def fs(self, served):
        file_system = SecftpFileSystem("127.0.0.1", served.port, key=KEY, skip_instance_cache=True)
        yield file_system
        file_system.close()

    @pytest.fixture
    def local_fs(self):
        """For one test, unlike that of fsspec, which some versions define as pytest warns of."""
        return LocalFileSystem(auto_mkdir=True)

    @pytest.fixture
    def fs_join(self):
        return lambda *parts: "/".join(parts)

    @pytest.fixture
    def fs_path(self, fs):
        yield "/below"
        fs.rm("/below", recursive=True)


class TestCopy(abstract.AbstractCopyTests, Fixtures):
    pass


class TestGet(abstract.AbstractGetTests, Fixtures):
    pass


class TestPut(abstract.AbstractPutTests, Fixtures):
    pass


if hasattr(abstract, "AbstractOpenTests"):

    class TestOpen(abstract.AbstractOpenTests, Fixtures):
        pass


if hasattr(abstract, "AbstractPipeTests"):

    class TestPipe(abstract.AbstractPipeTests, Fixtures):
        pass
