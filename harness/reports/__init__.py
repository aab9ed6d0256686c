"""Pages of results: sections, tables, pictures, one HTML file.

Imports :mod:`harness.comparison` and what it stands on.
"""
