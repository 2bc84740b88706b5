"""Parameters, multiply-accumulates, memory and latency of networks."""
