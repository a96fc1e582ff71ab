"""Running a model again and again with a clock: devices, runtimes, modules, and the process."""
