"""Labels: accepting them, and how many the store holds."""
