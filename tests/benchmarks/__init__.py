"""Benchmarks: the service beside honest peers, on one database server, in one run."""
