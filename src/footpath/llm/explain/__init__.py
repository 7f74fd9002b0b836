"""Why an item was recommended: deletions on the model itself, and what the log says."""
