"""Tests of secftp.keys."""
