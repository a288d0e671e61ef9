"""Load test of a server with many sessions: `python -m tests.soak [--sessions N]`; `make soak` runs it."""
