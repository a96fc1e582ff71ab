"""Pictures: values in, text out: SVG for pages, characters for terminals."""
