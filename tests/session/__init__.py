"""Tests of secftp.session."""
