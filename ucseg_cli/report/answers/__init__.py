"""One file per answer: from a conclusion to a report."""
