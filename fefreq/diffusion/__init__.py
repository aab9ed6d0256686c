"""The diffusion equation over frequency: assembly, problem, solution, the error that the mesh leaves.

Imports meshes, propagation, fields, models and targets.
"""
