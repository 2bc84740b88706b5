"""Hosts, replicas and lanes: where a step is computed."""
