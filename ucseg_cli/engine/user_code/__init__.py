"""Importing and running a user's code, isolated."""
