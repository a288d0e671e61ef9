"""Tests of secftp.api."""
