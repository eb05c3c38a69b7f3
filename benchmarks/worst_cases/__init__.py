"""What an acknowledgement and `/healthz` take while somebody does the most expensive thing they can."""
