"""Predictions held against two-layer networks: the default study."""
