"""One forward pass, recorded as a trace."""
