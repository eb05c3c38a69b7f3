"""The receipts that vendors push to `/hooks/{vendor account}/{secret}`."""
