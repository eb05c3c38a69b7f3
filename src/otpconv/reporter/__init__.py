"""The client: takes a report in microseconds, spools it, and delivers it in the background."""
