"""The tables of benchmarks/README.md, from results."""
