"""Whether the shape of a density matters, or only its scale."""
