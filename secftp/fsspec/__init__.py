"""File system for fsspec: `secftp://` URLs in pandas, dask, pyarrow, xarray and others.

Imported by fsspec's entry point, and only where fsspec is installed (the extra `secftp[fsspec]`).
"""
