"""The messages on the workers of a Citus: tables, placement, and how the applier reaches them."""
