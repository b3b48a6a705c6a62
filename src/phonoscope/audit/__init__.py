"""Speech, or a shortcut? What tells the classes apart beside speech, and what of it a model answers by."""
