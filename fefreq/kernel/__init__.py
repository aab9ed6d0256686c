"""The gradient flow of the neural tangent kernel (NTK) on real data: products by FFT and NUFFT, Lanczos, solutions.

Imports dynamics, fields, models and targets; knows no mesh.
"""
