"""What a process tells of itself: logs, traces, and its status in Redis."""
