"""File system for fsspec, so that pandas, dask, pyarrow, xarray and others open `secftp://` URLs.

    import pandas

    options = {"key_file": "/home/joe/.secftp.key"}
    table = pandas.read_parquet("secftp://example.org/data/table.parquet", storage_options=options)

fsspec finds this module by its entry point; only this package imports fsspec (the extra `secftp[fsspec]`). Nothing is
cached, since other programs may change the files at any time.

Every method of fsspec's interface is one of these modules', over what the command line uses, or fsspec's own if it only
calls such methods and keeps their promises, or raises `Unsupported`, a NotImplementedError that says why.

Invariants: a file appears whole or not at all, at the server and on this machine; what is not known is never taken for
nothing; the text of a key is in no token, pickle or JSON.
"""

from __future__ import annotations

from secftp.fsspec.changing import Changing, CopyingAtServer
from secftp.fsspec.connection import Unsupported
from secftp.fsspec.copying import Copying


class SecftpFileSystem(Copying, CopyingAtServer, Changing):
    """The file system of a server for fsspec; paths begin with a slash, at the served directory.

    `host`, `port`: of the server. `username`: the name of a key. `key`, `key_file`, `anonymous`, `cipher`, `timeout`,
    `congestion`: as for `secftp.connect`, which the first request calls; prefer `key_file`, since a key that is given
    as a text or an object stays in this process. `auto_mkdir`: create missing directories above what is written.

    A file appears when its writer is closed, as for `secftp.RemoteWriter`, and in a transaction of fsspec when that
    ends.
    """


__all__ = ["SecftpFileSystem", "Unsupported"]
