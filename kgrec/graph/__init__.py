"""The knowledge graph: schema, linking, build, store, export, paths."""
