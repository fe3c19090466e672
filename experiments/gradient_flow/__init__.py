"""How a gradient travels through the depth of a network."""
