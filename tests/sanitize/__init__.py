"""The core under sanitizers, valgrind, gcc's analyzer and ctgrind, and test coverage.

`python -m tests.sanitize [PART...]`; all parts by default. Each part first has to find a planted fault.
"""
