"""Tests of secftp.storage."""
