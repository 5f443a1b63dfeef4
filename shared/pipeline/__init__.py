"""The DVC pipeline as other towers see it: stages, parameters, workspaces and remotes."""
