"""Labels: accepting them, and counting those in the store."""
