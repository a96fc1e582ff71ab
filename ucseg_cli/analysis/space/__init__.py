"""Whole spaces of variants: limits, fronts, the nearest that fits, and the effect of each axis."""
