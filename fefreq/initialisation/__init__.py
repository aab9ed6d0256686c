"""Which initialisation for given data: the best scale, or a designed density.

Imports the kernel flow, the diffusion equation and the output.
"""
