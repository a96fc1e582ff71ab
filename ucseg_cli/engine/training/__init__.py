"""Recording a training step: forward, loss, backward, update."""
