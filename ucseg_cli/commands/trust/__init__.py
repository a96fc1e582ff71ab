"""Commands about ucseg itself."""
