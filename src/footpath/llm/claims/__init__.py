"""Statements about a log that are computed before anybody reads them, and what is made of them: templates, profiles, narratives."""
