"""The DVC pipeline as other towers see it: stages, parameters, workspaces and remotes."""

__all__ = [
    "dvc_remote",
    "environment",
    "params",
    "sources",
    "stages",
    "workspace",
]
