"""Makes a wallet and signs a payment from any language that speaks HTTP: here with Python and `requests`.

COUNTERSIGN_URL is the engine; COUNTERSIGN_API_KEY an API key (csk_...) with the power create-wallet, whose wallets are
under a policy that grants to `bearer`. docs/credentials.md says what such a key is worth to whoever sees it.
"""

import json
import os
import sys

import requests

BASE_URL = os.environ["COUNTERSIGN_URL"]
headers = {
    "X-API-Key": os.environ["COUNTERSIGN_API_KEY"],
    "Content-Type": "application/json",
}
user, to, chain = sys.argv[1], sys.argv[2], int(sys.argv[3])

wallet = requests.post(
    f"{BASE_URL}/v1/wallets",
    headers=headers,
    json={"type": "EVM", "userIdentifier": user, "userIdentifierType": "EMAIL"},
).json()

signed = requests.post(
    f"{BASE_URL}/v1/wallets/{wallet['id']}/sign-transaction",
    headers=headers,
    json={"transaction": {"to": to, "chainId": chain, "value": "0x2386F26FC10000"}},
).json()

print(json.dumps({"wallet": wallet, "signed": signed}))
