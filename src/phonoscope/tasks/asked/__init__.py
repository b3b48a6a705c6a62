"""Who is asked about what: the networks of a finished run, or any model with the recordings of a corpus."""
