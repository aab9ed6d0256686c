"""Fields held against one another: comparison, the split of a difference, checks and verdicts.

Imports :mod:`harness.training` and what it stands on.
"""
