"""What everything stands on: neither TensorFlow nor anything of ours."""
