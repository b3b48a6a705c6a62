"""Real against spoofed speech by what a first layer hears."""
