"""Tests of secftp.transport."""
