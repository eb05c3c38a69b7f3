"""Charts of rates: the specification, and the process that draws it."""
