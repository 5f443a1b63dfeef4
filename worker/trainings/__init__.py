"""Running a training: its checkout, its stages as processes, its labels, its verdict and promotion."""
