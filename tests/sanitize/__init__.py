"""The core under those who see what a test can't: sanitizers, valgrind, gcc's analyzer, ctgrind, and coverage.

`python -m tests.sanitize [PART...]`; without a part all of them. Each part first shows that its judge is awake: a
planted fault must be found, or the part fails.
"""
