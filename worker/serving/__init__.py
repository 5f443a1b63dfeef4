"""Which model serves, how a new one takes over, and the service that classifies with it."""
