"""Fuzzing: `python -m tests.fuzz [TARGET...] [--seconds N]`, which is what `make fuzz` runs.

Native targets (native/*.c) are csrc under libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer; no system clang
is needed: the compiler is the Python package ziglang's, the fuzzer is the library inside atheris, AddressSanitizer is
gcc's. Python targets (targets.py, peers.py) run under atheris. Each target has its seeds in corpus/TARGET; `seeds.py`
makes them, and `--merge` adds what a long run found.
"""
