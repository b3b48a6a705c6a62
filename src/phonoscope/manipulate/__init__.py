"""Sounds changed in one property, and measured afterwards."""
