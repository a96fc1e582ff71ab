"""Answers to tables to text: no torch, no gate, no I/O."""
