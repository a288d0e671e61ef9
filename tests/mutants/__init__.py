"""Mutation testing: small patches to security decisions, which the tests have to detect. `python -m tests.mutants`.

An undetected mutant is a missing test. Each names the tests that should detect it; if they don't, the whole fast suite
is run. A patch is a text that occurs exactly once in its file, and its replacement: if the code has changed and the
text is gone, the run fails, since a mutant that isn't applied proves nothing.
"""
