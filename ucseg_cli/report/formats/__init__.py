"""One file for each way of showing a report; each returns text, imported when asked for."""
