"""Networks from elsewhere, made to answer as a classifier's network does: one score a label."""
