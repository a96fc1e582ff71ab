"""The meaning of measured times: plan, statistics, noise floor and verdicts, as arithmetic."""
