"""Files and pictures of results: ParaView, plots, templates of reports.

Imports fields and meshes, never who computes them.
"""
