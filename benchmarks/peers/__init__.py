"""Other recommenders on the same splits, each in an environment of its own.

``task.py``, ``worker.py`` and ``models/`` run inside those environments and need numpy and scipy only; ``problems.py``,
``environments.py`` and ``registry.py`` run in the project's.
"""
