"""The second paper's tasks on whole recordings: words and speakers, and what first layers hear."""
