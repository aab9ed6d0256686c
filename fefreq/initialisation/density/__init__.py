"""The density that leaves the least error after a training time."""
