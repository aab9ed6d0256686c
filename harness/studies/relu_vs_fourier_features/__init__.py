"""ReLU networks beside predictable Fourier features."""
