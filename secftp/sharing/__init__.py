"""Servers for one delivery: the engine of `secftp share` and `secftp receive`, on top of that of secftpd."""
