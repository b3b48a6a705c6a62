"""The viewer: a local page to look at the tokens of a run, listen to them and ask the network again."""
