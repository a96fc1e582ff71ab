"""Use cases that measure many variants of a design, to choose among them."""
