"""What an optimiser makes of an eigenvalue of the tangent kernel: gradient flow, gradient descent.

Imports only :mod:`fefreq.support`.
"""
