"""Real DNS servers and clients for tests: each peer one file, on a free loopback port.

    with nsd.serving([Zone("example.test", file=path)]) as server:
        reply = server.ask("www.example.test", "A")

`serving` of every server file (bind, knot, nsd, pippin, unbound) has the same shape. A machine without the program
skips the test with the reason; with CI in the environment that is a failure.
"""
