"""Candidates that cheat, as data, and the labs that they cheat in.

`python -m tests.attacks` plays all of them and prints the table.
"""
