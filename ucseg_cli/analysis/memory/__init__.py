"""How much memory a pass needs at once."""
