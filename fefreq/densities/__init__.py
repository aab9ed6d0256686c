"""Frequency densities: how the first-layer frequencies of a network are drawn.

A density ρ enters the theory through four views (arXiv 2405.14957, 2212.03416). Each class here gives all
four, so that networks, the equation over frequency, the tangent kernel and the choice of a mesh speak of
the same object:

- ``pdf(ξ)``, the density itself: the rate at which frequency ξ is learned;
- ``sample(count, rng)``, first-layer frequencies of a network;
- ``characteristic(z)``, κ(z) = ∫ ρ(ξ) cos(2π ξ·z) dξ, the stationary part of the tangent kernel;
- ``radius(mass)``, the ball about the origin that holds a given share of the frequencies.

Every module here defines one density, or what several share; :class:`fefreq.Density` finds those of this folder by
itself.

All densities are symmetric, ρ(-ξ) = ρ(ξ), which makes κ real. Frequencies are in cycles per unit length.

>>> from fefreq import Gaussian, Mixture, Uniform
>>> round(float(Gaussian(scale=3.0).pdf([0.0])[0]), 4)
0.133
>>> Mixture((Gaussian(1.0), Uniform(8.0)), weights=(3, 1)).weights
(0.75, 0.25)
"""
