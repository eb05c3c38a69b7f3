"""Infobip's conversion tracking: that the user typed the code of a message back."""
