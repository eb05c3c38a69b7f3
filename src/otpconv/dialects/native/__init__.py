"""Our own wire, defined once for the server, the reporter, `otpconv consume` and the command line.

`fields.py` has the type of each field, `reports.py` the objects as the server reads them, `timed.py` as our
clients write them, `events.py` the same objects as messages of a broker, `answers.py` the answers, and
`batches.py` reads the body of a call.
"""
