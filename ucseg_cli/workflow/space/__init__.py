"""Use cases of whole spaces of variants."""
