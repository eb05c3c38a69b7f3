"""AWS End User Messaging SMS, as the SDKs of AWS call it: PutMessageFeedback."""
