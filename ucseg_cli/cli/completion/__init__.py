"""Shell completion of references."""
