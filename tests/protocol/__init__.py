"""Tests of secftp.protocol."""
