"""Where people use the reporter: a module a framework, imported by nobody but those who have it."""
