"""How fast networks come to the prediction as they grow wide."""
