"""The audit audited: shortcuts planted at known strengths, models that use them or do not, and what is found."""
