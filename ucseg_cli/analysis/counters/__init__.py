"""What other counters print, and whether they agree with us."""
