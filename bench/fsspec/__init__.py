"""What a Python program does through fsspec, over a line of 50 ms and on loopback: `python -m bench.fsspec`."""
