"""Results document: seconds for reading and writing small, medium and large files with each cipher.

`python -m bench.report` (or `make report`) measures, and plots the results together with the published figures of the
original system. Those were measured on other machines and another network, so no ratios between the two are given.
"""
