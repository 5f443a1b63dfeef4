"""The Celery processes: workers, trainers, the courier and the housekeeper, with one package per kind of work."""
