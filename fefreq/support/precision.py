"""What double precision allows."""

# Smallest relative tolerance that propagation and meshes reach.
SMALLEST_RTOL = 1e-12
