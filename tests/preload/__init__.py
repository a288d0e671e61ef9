"""A library for LD_PRELOAD that sends a signal exactly where a program is least ready for it; Linux alone has that."""
