import traffic
from traffic import berlin, dallas


def test_europe_goes_to_berlin(policy_client):
    client = policy_client("127.1.2.3", policies=traffic.policies)
    assert traffic.www(client) == berlin.or_else(dallas)


def test_office_shops_in_dallas_at_night(policy_client, policy_clock):
    policy_clock.set("2026-12-24 19:30")  # UTC; 20:30 in Berlin
    assert traffic.shop(policy_client(network="office"), policy_clock) == dallas


def test_failover_on_the_wire(dns_server):
    dns_server.zone("example.com")
    dns_server.policies = traffic
    assert dns_server.ask("www.example.com", source="127.3.0.1").answer[0][0].address == "127.0.0.21"
    dns_server.health.fail("dallas/127.0.0.21")
    assert dns_server.ask("www.example.com", source="127.3.0.1").answer[0][0].address != "127.0.0.21"
