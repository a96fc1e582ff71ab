"""Where positions of a map come from: strides, receptive fields, dilated convolutions, taps."""
