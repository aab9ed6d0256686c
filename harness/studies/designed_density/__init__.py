"""How much less error a designed density leaves."""
