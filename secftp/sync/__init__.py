"""Synchronisation of a directory of this machine with one at a server, one way, in either direction.

`plan` decides what is done, from the complete listings of both sides, and does nothing itself: what a dry run shows is
what a run does. `trees` makes the listings, `guards` refuses what would delete too much, `run` carries the plan out:
files are copied by `secftp.transfer`, then the rest of the target is moved to the trash.

Invariant: nothing is deleted that the plan does not name, that has changed since the plan, or after any error.
"""
