"""Commands about trained weights."""
