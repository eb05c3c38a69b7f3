"""otpconv: which of the one-time passwords we paid for were actually used?"""

__version__ = "0.1.0"
