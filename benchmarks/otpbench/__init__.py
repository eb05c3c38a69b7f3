"""OTP-Bench: seeded traffic of one-time passwords with labelled faults, to compare alarms."""
