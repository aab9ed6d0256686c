"""ReLU networks in training, seen from the inside."""
