"""Tests of secftp.crypto."""
