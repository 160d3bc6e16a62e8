#!/usr/bin/env python3
"""SPAKE2 (RFC 9382), P256-SHA256-HKDF-HMAC, once more and as slowly as it is written down: whole numbers and nothing else.

It checks every vector of spake2.json and ends with 1 when one differs. With --write it computes the vectors that are ours
(those of the RFC, appendix B, are never computed)."""
import hashlib, hmac, json, pathlib, sys

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
A = P - 3
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
     0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)


def add(p, q):
    if p is None or q is None:
        return p or q
    if p[0] == q[0]:
        if (p[1] + q[1]) % P == 0:
            return None
        slope = (3 * p[0] * p[0] + A) * pow(2 * p[1], -1, P)
    else:
        slope = (q[1] - p[1]) * pow(q[0] - p[0], -1, P)
    x = (slope * slope - p[0] - q[0]) % P
    return x, (slope * (p[0] - x) - p[1]) % P


def times(k, p):
    total = None
    while k:
        if k & 1:
            total = add(total, p)
        p, k = add(p, p), k >> 1
    return total


def negative(p):
    return p[0], P - p[1]


def compressed(text):
    raw = bytes.fromhex(text)
    x = int.from_bytes(raw[1:], "big")
    y = pow(x * x * x + A * x + B, (P + 1) // 4, P)
    assert y * y % P == (x * x * x + A * x + B) % P
    return x, y if y % 2 == raw[0] % 2 else P - y


M = compressed("02886e2f97ace46e55ba9dd7242579f2993b64e16ef3dcab95afd497333d8fa12f")
N = compressed("03d8bbd6c639c62937b04d997f38c3770719c629d7014d49a24b4f98baa1292b49")


def written(p):
    return b"\4" + p[0].to_bytes(32, "big") + p[1].to_bytes(32, "big")


def counted(data):
    return len(data).to_bytes(8, "little") + data


def hkdf(key, info, size):  # RFC 5869 with an empty salt; one block is enough here
    assert size <= 32
    pseudo_random_key = hmac.digest(b"", key, "sha256")
    return hmac.digest(pseudo_random_key, info + b"\1", "sha256")[:size]


def run(v):
    first, second, aad = bytes.fromhex(v["idA"]), bytes.fromhex(v["idB"]), bytes.fromhex(v["aad"])
    w, x, y = (int(v[name], 16) for name in ("w", "x", "y"))
    share_a, share_b = add(times(x, G), times(w, M)), add(times(y, G), times(w, N))
    k = times(x, add(share_b, negative(times(w, N))))
    assert k == times(y, add(share_a, negative(times(w, M))))
    transcript = b"".join(counted(part) for part in (first, second, written(share_a), written(share_b), written(k), w.to_bytes(32, "big")))
    digest = hashlib.sha256(transcript).digest()
    keys = hkdf(digest[16:], b"ConfirmationKeys" + aad, 32)
    return {
        "pA": written(share_a).hex(), "pB": written(share_b).hex(), "ke": digest[:16].hex(),
        "cA": hmac.digest(keys[:16], transcript, "sha256").hex(), "cB": hmac.digest(keys[16:], transcript, "sha256").hex(),
    }


def slow(v):
    secret = hashlib.scrypt(bytes.fromhex(v["secret"]), salt=bytes.fromhex(v["salt"]), n=1 << v["logN"], r=v["r"], p=v["p"], maxmem=1 << 28, dklen=48)
    return {"w": (int.from_bytes(secret, "big") % ORDER).to_bytes(32, "big").hex()}


def main():
    path = pathlib.Path(__file__).with_name("spake2.json")
    vectors = json.loads(path.read_text())
    wrong = 0
    for kind, compute in (("exchanges", run), ("passwords", slow)):
        for v in vectors[kind]:
            got = compute(v)
            if "--write" in sys.argv and not v["name"].startswith("RFC"):
                v.update(got)
            for name, value in got.items():
                if v.get(name) != value:
                    wrong += 1
                    print(f"{v['name']}: {name} is {value}, not {v.get(name)}")
    if "--write" in sys.argv:
        path.write_text(json.dumps(vectors, indent=1) + "\n")
    return 1 if wrong else 0


sys.exit(main())
