"""Experiment files (TOML) and the commands of ``fefreq``: the last room, which may import every other."""
