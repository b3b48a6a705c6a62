"""What a phonetician measures: formants, F0, and how maps of a network stand to them, always beside a chance level."""
