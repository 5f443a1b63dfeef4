"""The whole service on one machine, as child processes: for development, for the demonstration and for tests."""
