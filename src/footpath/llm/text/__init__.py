"""Encoders of titles and texts, without torch."""
