"""Judgement: intervals, corrections and verdicts, whoever's numbers they are."""
