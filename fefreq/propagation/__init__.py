"""``exp(-t M⁻¹A)`` for sparse symmetric matrices: rational Krylov spaces, implicit steps, linear solvers.

Knows no model and no mesh.
"""
