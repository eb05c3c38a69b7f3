"""Why a TLS connection was refused, and what to do about it."""

import ssl

#: The problem with a certificate and the remedy, by OpenSSL's X509_V_ERR_* code.
_TRUST = (
    "If you trust it, set SSL_CERT_FILE to a PEM file with its CA, or with the certificate itself if it is "
    "self-signed"
)
_CERTIFICATES = {
    9: ("is not valid yet", "Check the clock of this machine, and the certificate"),
    10: ("has expired", "Renew it at the server, or check the clock of this machine"),
    18: ("is self-signed", _TRUST),
    19: ("is signed by a CA that this machine does not know", _TRUST),
    20: ("is signed by a CA that this machine does not know", _TRUST),
    21: ("is signed by a CA that this machine does not know", _TRUST),
    62: ("is of another host name", "Use a name that is in the certificate as the host of the URL"),
    64: ("is not of this IP address", "Use a name that is in the certificate as the host of the URL"),
}
#: Reasons with which OpenSSL rejects bytes that are not TLS.
_PLAIN = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"}


def describe(error: ssl.SSLError) -> str:
    """Describe a problem with a TLS connection and its remedy, for a person."""
    if isinstance(error, ssl.SSLCertVerificationError):
        what, remedy = _CERTIFICATES.get(
            error.verify_code, (f"is not trusted ({error.verify_message})", _TRUST)
        )
        return f"its TLS certificate {what}. {remedy}."
    if error.reason in _PLAIN:
        return "it does not speak TLS there. Use http:// in the URL, or the port that serves HTTPS."
    return f"TLS failed ({error.reason or error}). Check the URL, and which TLS versions the server takes."
