"""Parts of the answer of a sweep: its tables, its picture and its files."""
