"""The Python face of kgrec. The command line only prints what is returned here."""

from kgrec.api.project import Project, open_project

__all__ = ["Project", "open_project"]
