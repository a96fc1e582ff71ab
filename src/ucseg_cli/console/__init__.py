"""What every command stands on: options, the way to traced models, and the two streams, where everything is printed."""
