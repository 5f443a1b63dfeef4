"""The DVC pipeline as others see it: stages, parameters, remotes."""
