"""Figures of runs on phones: drawn of their tables for print, and as plates of their page."""
