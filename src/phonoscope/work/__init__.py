"""Work: locked folders, checksums, what is done already, and how work is spread; whatever the work is."""
