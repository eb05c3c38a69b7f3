"""What is kept of notifications of alerts: what is to be sent to each target, and how that goes."""
