"""Deep networks and any optimiser beside the prediction."""
