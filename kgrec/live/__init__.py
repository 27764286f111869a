"""What learns while lists are served: the event log, live profiles, placements, exploration, experiments, dialogue."""
