"""Questions about a log, turned into plans and answered."""
