"""What waits for others: webhooks, MLflow's runs of jobs, and changes of the model registry."""
