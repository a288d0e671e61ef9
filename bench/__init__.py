"""Benchmarks: the ladder (`pytest --benchmark-only`), core, handshakes, load, other programs, and the report."""
