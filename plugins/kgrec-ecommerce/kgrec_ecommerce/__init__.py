"""Online shops for kgrec."""
