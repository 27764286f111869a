"""Serving over HTTP: the API under ``/v1`` and the web page. Needs the extra ``serve``."""
