"""Hosts of the user: names for servers, each with its URL, its key and its options, in a file of the user.

Words of a command line name a server by a URL or, as those of scp, by a host before a colon (`secftp.hosts.words`).
"""
