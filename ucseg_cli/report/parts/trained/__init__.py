"""Parts of answers about a training step."""
