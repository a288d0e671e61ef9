"""LD_PRELOAD library that sends a signal at the worst moment for a program; only on Linux."""
