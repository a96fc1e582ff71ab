"""Reading names, shapes and element types out of checkpoint files."""
