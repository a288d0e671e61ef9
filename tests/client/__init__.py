"""Tests of secftp.client."""
