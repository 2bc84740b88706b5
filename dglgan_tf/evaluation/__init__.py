"""What is judged, against what: one way for commands, trainings and recipes."""
