"""Evidence that maps are true: planted cues, scores against that truth, the benchmark; faithfulness on real speech."""
