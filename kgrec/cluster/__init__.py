"""The same jobs on Ray: on the cores of this machine, or on those of a cluster."""
