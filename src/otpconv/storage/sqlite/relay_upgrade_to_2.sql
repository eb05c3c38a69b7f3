-- The vendor's id of a message, in a file of version 1.
ALTER TABLE relay_sends ADD COLUMN vendor_message_id TEXT NOT NULL DEFAULT '';
