"""Fault injection: `python -m tests.faults [PART...]`; `make faults` runs it.

Server and client are killed at each of their system calls, and each call fails once with each of its errors, while a
file is written, overwritten, sent as part of a directory, resumed, or downloaded; the network is cut at every byte; the
disk is full; memory runs out. After each fault: every target is the old file or the new one, complete; nothing was
confirmed that does not exist; a restart leaves no leftovers; the other side reports what happened and exits with a
status other than 0; and the same command, repeated, succeeds.
"""
