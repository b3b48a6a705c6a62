"""Experiments: recipes kept as files, and the one runner that joins the rooms into a run folder."""
