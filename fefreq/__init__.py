"""fefreq."""
