"""The first paper's task: phones told apart, and what the network looks at."""
