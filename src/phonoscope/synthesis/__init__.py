"""Talkers whose formants are known, because they were planted: a source-filter synthesiser and corpora made with it."""
