"""Tasks: one folder a kind of experiment."""
