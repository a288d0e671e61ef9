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

from secftp.fsspec.changing import Changing
from secftp.fsspec.connection import Unsupported
from secftp.fsspec.copying import Copying
from secftp.fsspec.server_copies import CopyingAtServer


class SecftpFileSystem(Copying, CopyingAtServer, Changing):
    """The file system of a server for fsspec; paths begin with a slash, at the served directory.

    A file appears when its writer is closed, as for `RemoteWriter`, and in a transaction of fsspec when that ends. The
    first request connects, and raises what `connect` does. Exactly one of `key`, `key_file` and `anonymous=True` is
    required. In fsspec's configuration all options may be texts.

    Args:
        host (str, default ''): The server; one is required.
        port (int or str, default 8888): Its port.
        username (str, default ''): The name of a key.
        key (str, Key or None, default None): The key, as a text or a `Key`. It stays in this process: a file system
            that is unpickled in another one raises `UsageError`. Prefer `key_file`.
        key_file (str, bytes or os.PathLike or None, default None): The path of a key file as `secftp keygen` writes it.
        anonymous (bool or str, default False): Use no key, for servers that accept anonymous clients.
        cipher (str, default 'aes256'): `aes256`, `aes128`, or `none`, which authenticates without encrypting.
        timeout (float or str, default 60.0): The limit in seconds for connecting and for the server's silence.
        connect_timeout (float, str or None, default None): The limit in seconds for connecting, in place of `timeout`.
        congestion (str or None, default None): The congestion control of what this program sends (Linux).
        config (bool or str, default False): Read the user's file of hosts, for the host's address, key, cipher and time
            limits. Of the URL in the file, the path does not count.
        auto_mkdir (bool or str, default True): Create missing directories above what is written.
        **options: Those of fsspec for every file system, such as `skip_instance_cache`.

    Raises:
        UsageError: An option is invalid (a ValueError).

    Example:
        >>> import fsspec
        >>> fs = fsspec.filesystem("secftp", host="127.0.0.1", port=server.port, key=server.key)
        >>> fs.cat("backup/a.bin")
        b'abcdef'
        >>> fs.close()
    """


__all__ = ["SecftpFileSystem", "Unsupported"]
