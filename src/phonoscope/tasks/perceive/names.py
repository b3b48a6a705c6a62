"""Names in the tables of a perception experiment that its figures and its work have in common."""

NETWORK, RANDOM, LINEAR, PEOPLE = "network", "random", "linear", "people"  # who answers
CONTROLS = (RANDOM, LINEAR)
OWN_VOWELS = "own_vowels"  # table of the tokens as they were spoken
