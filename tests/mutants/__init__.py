"""Mutants: small patches to security decisions, each of which the tests must notice. `python -m tests.mutants`.

A mutant that no test notices is a missing test. Each names the tests that should kill it; for a survivor the whole
fast suite is run, too. A patch is an exact piece of text that stands once in its file and what stands there instead:
when the code moves on and the piece is gone, the run fails and says so, since a mutant that isn't applied proves
nothing.
"""
