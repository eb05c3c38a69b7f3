"""The pages of alerts, and what the dashboard shows of them."""
