"""Measured time as latency, compare and sweep show it: figures, machine, notes and sentences."""
