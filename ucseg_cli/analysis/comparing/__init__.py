"""What differs between two models, and why."""
