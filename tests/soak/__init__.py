"""A server under many sessions: `python -m tests.soak [--sessions N]`, which is what `make soak` runs."""
