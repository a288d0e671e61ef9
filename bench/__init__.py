"""Benchmarks: the ladder (`pytest --benchmark-only`), the core beside libcrypto, handshakes, peers, and the report."""
