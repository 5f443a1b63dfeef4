"""Benchmarks of speed. Comparisons are ratios within one run, never between runs."""
