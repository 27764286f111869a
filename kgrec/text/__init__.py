"""Text encoders, item texts and user profiles."""
