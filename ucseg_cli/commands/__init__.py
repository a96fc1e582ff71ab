"""The roof: a file for each sub-command, which parses, plans, traces, concludes and renders."""
