"""Faults: `python -m tests.faults [PART...]`, which is what `make faults` runs.

Server and client are killed at each of their system calls, and each call fails once with each of its errors, while a
file is written, overwritten, sent in a folder, resumed, or fetched; the network is cut at every byte; the disk is full;
memory runs out. After each fault: every target is the old file or the new one, whole; nothing was confirmed that is not
there; a restart leaves nothing behind; the other side says what happened and ends with a status other than 0; and the
same command, given again, succeeds.
"""
