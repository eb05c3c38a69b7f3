"""Twilio's REST API, as its official SDKs speak it: Message Feedback, Verify updates, and Verify Attempts.

`calls.py` reads requests, `attempts.py` has the filters and the answers about attempts, and `answers.py` has
the other responses and the errors.
"""
