"""From figures to the values of pictures, which several answers share."""
