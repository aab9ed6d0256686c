"""The commands of ``harness``: the last room, which may import every other."""
