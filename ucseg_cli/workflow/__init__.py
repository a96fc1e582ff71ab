"""Use cases, from references to conclusions: what every command and the Python door share."""
