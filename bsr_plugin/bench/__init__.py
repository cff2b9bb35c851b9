"""Benchmarks that are commands: what the parts of this package cost on the machine at hand."""
