"""secftp beside its peers: the same files moved on this machine by scp, sftp, rsync, curl from nginx, and others.

`python -m bench.peers` (or `make peers`) is the only entry. What must never happen here: a server of ours that is still
running afterwards, or one of somebody else's that is not.
"""
