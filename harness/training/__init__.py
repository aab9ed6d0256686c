"""Training: engines, optimisers, recorder, checkpoints, runs.

Imports :mod:`harness.networks` and :mod:`fefreq`.
"""
