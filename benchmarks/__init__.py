"""What the paths of a report cost on this machine: `python -m benchmarks`, or `make bench`."""
