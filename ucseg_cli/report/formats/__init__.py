"""One file per way of showing a report; each returns text, and none is imported before it is asked for."""
