"""Comparison with other programs: the same files transferred with scp, sftp, rsync, curl from nginx, and others.

Entry point: `python -m bench.peers` (or `make peers`). Invariants: servers started here are stopped, and other services
of the machine keep running.
"""
