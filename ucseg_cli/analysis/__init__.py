"""What every number means: pure arithmetic on traces, without torch, disk or screen."""
