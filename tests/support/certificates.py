"""Certificates for TLS, and contexts for clients that trust them."""
import os
import ssl
import subprocess


def certificate(folder, days=2, names="DNS:localhost,IP:127.0.0.1"):
    """Make cert.pem and key.pem there, which sign themselves and are for these names; their paths."""
    cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", str(days), "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=" + names, "-keyout", key, "-out", cert], check=True, capture_output=True, timeout=60)
    return cert, key


def client(cert, lowest=ssl.TLSVersion.TLSv1_2, highest=ssl.TLSVersion.MAXIMUM_SUPPORTED, alpn=()):
    tls = ssl.create_default_context(cafile=cert)
    tls.check_hostname = False
    tls.set_ciphers("ALL:@SECLEVEL=0")
    tls.minimum_version, tls.maximum_version = lowest, highest
    if alpn:
        tls.set_alpn_protocols(list(alpn))
    return tls
