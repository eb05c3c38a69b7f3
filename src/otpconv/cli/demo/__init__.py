"""`otpconv demo`: invented traffic, and the comparison of its true rates with the server's."""
