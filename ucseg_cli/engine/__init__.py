"""How anything is traced, and checked by other counters. Nothing torch-shaped leaves this room."""
