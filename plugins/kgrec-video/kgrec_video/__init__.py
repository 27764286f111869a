"""Films and series for kgrec."""
