"""The machine beneath: paths, files written whole, free memory."""
