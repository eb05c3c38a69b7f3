"""otpconv compared with an endpoint of the same semantics that is written by hand."""
