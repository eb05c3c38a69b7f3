"""What the relay keeps: how far it has read the journal, and what it sends to each vendor account."""
