"""Tests of secftp.server."""
