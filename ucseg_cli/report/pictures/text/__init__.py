"""Pictures as characters, for terminals and for other programs."""
