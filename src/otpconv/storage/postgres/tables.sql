-- name: begin_change
-- A node that hangs in a change must not keep the others from theirs.
SET LOCAL idle_in_transaction_session_timeout = '5s';
