"""Whether a device is let in, as every broker and the HTTP binding ask."""

from devices import sign_in


def admit(device_id: str, secret: str) -> bool:
    try:
        return not sign_in.by_secret(device_id, secret).blocked
    except sign_in.NotSignedIn:
        return False
