"""Recording many variants of one design: whatever two of them share is run once."""
