"""Tests of secftp.transfer."""
