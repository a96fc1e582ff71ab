"""Parameters and operations: totals, by module, by operator."""
