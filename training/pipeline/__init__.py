"""What the stages share: where files lie, splits, progress and MLflow."""
