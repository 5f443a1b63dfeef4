"""`catalog`, the command-line client. It knows the service by its HTTP interface alone."""
