"""The SMS API of Volcengine and BytePlus, as their SDKs call it: Conversion."""
