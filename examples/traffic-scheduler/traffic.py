from pippin import HTTPCheck, Policies, Pool

alive = HTTPCheck("/healthz", port=8080, every=1, timeout=1, fall=2, rise=1)
berlin = Pool("berlin", {"127.0.0.11": 3, "127.0.0.12": 1}, check=alive, capacity=400)
dallas = Pool("dallas", ["127.0.0.21"], check=alive, capacity=600)

policies = Policies(networks={"europe": ["127.1.0.0/16"], "office": ["127.2.0.0/16"]})


@policies.answer("www.example.com", "A", ttl=5)
def www(client):
    near, far = (berlin, dallas) if client.network == "europe" else (dallas, berlin)
    return near.or_else(far)


@policies.answer("*.shop.example.com", "A", ttl=60)
def shop(client, now):
    if client.network == "office" and now.at("Europe/Berlin").hour >= 20:
        return dallas
    return berlin.or_else(dallas)
