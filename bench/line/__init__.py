"""secftp and its peers over a line with delay, a rate and loss: `python -m bench.line`, or `make bench-line`."""
