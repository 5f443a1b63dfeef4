"""Work that waits for other systems: delivering webhooks, and logging jobs to MLflow."""
