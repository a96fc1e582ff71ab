"""A pass as blocks and the tensors between them."""
