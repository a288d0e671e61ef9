"""The results document: seconds of reading and writing small, middling and large files with each cipher.

`python -m bench.report` (or `make report`) measures, and draws what it measured beside what the original published.
What must never happen here: a comparison of the two that says more than two columns of figures can, for the original
was measured on other machines and a network of its own.
"""
