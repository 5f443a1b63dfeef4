"""What is fast, and how we know: ratios within one run, never absolute figures."""
