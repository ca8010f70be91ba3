"""What operators see: logs, health and metrics."""
