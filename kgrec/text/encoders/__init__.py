"""Text encoders, one a file."""
