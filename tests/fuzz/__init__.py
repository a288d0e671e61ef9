"""Fuzzing: `python -m tests.fuzz [TARGET...] [--seconds N]`; `make fuzz` runs it.

Native targets (native/*.c) run csrc under libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer without a system
clang: the compiler is that of the Python package ziglang, the fuzzer is the library in atheris, AddressSanitizer is
gcc's. Python targets (targets.py, peers.py) run under atheris. The seeds of a target are in corpus/TARGET; `seeds.py`
generates them, and `--merge` adds what a long run found.
"""
