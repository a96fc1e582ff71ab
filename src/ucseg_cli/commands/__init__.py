"""The roof: a file for each sub-command. Only here are both walls seen, and only here is anything printed."""
