"""The command line: one file a sub-command; the help texts are documents."""
