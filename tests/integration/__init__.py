"""Tests of whole programs: networks, signals, processes, forks, and tables of all verbs."""
