"""Loading and running a user's code, isolated."""
