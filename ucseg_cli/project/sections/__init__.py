"""The tables of a configuration, each read with every mistake in it."""
