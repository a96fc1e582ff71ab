"""The figures that other counters print, and whether they agree with ours."""
