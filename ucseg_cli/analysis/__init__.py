"""The meaning of every number: pure arithmetic on traces, without torch, disk or screen."""
