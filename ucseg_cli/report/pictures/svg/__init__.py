"""Pictures as static SVG: pure functions from values to text."""
