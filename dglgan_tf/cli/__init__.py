"""The manners of every command: flags, help, exit codes, NVIDIA's flags."""
