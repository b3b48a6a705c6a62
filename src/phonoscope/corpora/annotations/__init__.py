"""Alignments that are no TextGrids: one file a family of formats, each reader from text to tiers.

A reader takes a file's text and its path and returns a `TextGrid` by the name of its recording; the empty name stands
for the recording beside the file.
"""
