"""The command line: all that knows Typer and argv."""
