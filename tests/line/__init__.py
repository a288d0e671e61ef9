"""secftp over an emulated line with delay, loss and reordering, in network namespaces of its own (`bench.line`)."""
