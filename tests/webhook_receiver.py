"""Whoever gets a webhook and checks its signature as the Standard Webhooks specification says.

It shares no code with the sender: OpenSSL's command computes the HMAC, or Node's crypto does.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Mapping

_NODE = """
const crypto = require("node:crypto");
let text = "";
process.stdin.on("data", (part) => (text += part));
process.stdin.on("end", () => {
  const { secret, id, time, header, body } = JSON.parse(text);
  const key = Buffer.from(secret.slice("whsec_".length), "base64");
  const signed = Buffer.concat([Buffer.from(`${id}.${time}.`), Buffer.from(body, "base64")]);
  const expected = crypto.createHmac("sha256", key).update(signed).digest();
  const good = header.split(" ").some((one) => {
    const [version, signature] = one.split(",");
    const given = Buffer.from(signature ?? "", "base64");
    return version === "v1" && given.length === expected.length
      && crypto.timingSafeEqual(given, expected);
  });
  process.stdout.write(good ? "good" : "bad");
});
"""


def verified(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether a request was signed with a secret, by OpenSSL."""
    key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    assert 24 <= len(key) <= 64, "the specification's sizes of a secret"
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    done = subprocess.run(
        ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{key.hex()}", "-binary"],
        input=signed,
        capture_output=True,
        check=True,
        timeout=20,
    )
    expected = base64.b64encode(done.stdout).decode()
    return any(
        version == "v1" and signature == expected
        for version, _, signature in (
            one.partition(",") for one in headers["webhook-signature"].split(" ")
        )
    )


def verified_by_node(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether a request was signed with a secret, by Node."""
    node = shutil.which("node")
    assert node is not None
    said = {
        "secret": secret,
        "id": headers["webhook-id"],
        "time": headers["webhook-timestamp"],
        "header": headers["webhook-signature"],
        "body": base64.b64encode(body).decode(),
    }
    done = subprocess.run(
        [node, "-e", _NODE],
        input=json.dumps(said).encode(),
        capture_output=True,
        check=True,
        timeout=20,
    )
    return done.stdout == b"good"
