"""The composition root: what a server and an operator's command are made of."""
