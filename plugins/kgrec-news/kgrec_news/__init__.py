"""News for kgrec."""
