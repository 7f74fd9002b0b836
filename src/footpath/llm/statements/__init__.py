"""Prose about a log, read sentence by sentence into claims."""
