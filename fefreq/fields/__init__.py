"""Fields of the error over frequency and time: the interface of every source, half-lives, coordinates, statistics.

Imports the rooms of targets and models, and what they stand on.
"""
