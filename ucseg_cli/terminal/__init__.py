"""The only place that prints or writes an answer: streams, progress, export files, the CI job."""
