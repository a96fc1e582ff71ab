"""Plain values that every room shares."""
