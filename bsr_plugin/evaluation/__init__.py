"""Benchmark runs: what a test measures, image by image, kept for the report."""
