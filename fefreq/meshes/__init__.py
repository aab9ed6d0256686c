"""Meshes over frequency: geometry, checks, files, the choice of a mesh, and the location of points in it.

Imports targets and models, for the choice.
"""

from fefreq.meshes.files import read_mesh
from fefreq.meshes.shapes import ball, box, interval

__all__ = ["ball", "box", "interval", "read_mesh"]
