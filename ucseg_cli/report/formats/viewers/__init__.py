"""Pictures as the files that viewers of other programs read."""
