"""Wire protocols: bytes in, reports out; outcomes in, bytes out. Pure: no I/O and no clock in here."""
