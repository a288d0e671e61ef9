"""Completion of command lines: the scripts for shells, and the names at servers that they ask for.

A script completes commands and options from its own word lists, since starting Python for each key press would be slow.
For a word that may name a file at a server it calls `secftp completion --remote` (`secftp.client.completion.remote`).
"""
