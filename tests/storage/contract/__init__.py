"""What the interfaces of `secftp.storage.store` promise, tried at every store alike.

`tests/machines` runs the same tests at servers of object stores.
"""
