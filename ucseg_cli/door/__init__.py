"""The answers of the command line, for Python: on references and on modules in memory."""
