"""The scale of Fourier features that generalises best, predicted without training."""
