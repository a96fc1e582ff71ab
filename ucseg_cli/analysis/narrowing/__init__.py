"""One step down, along an axis or in the channels of a layer, and the exact effect of it."""
