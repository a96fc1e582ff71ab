"""Facts about measured time: how models are run, and the question to the process that runs one."""
