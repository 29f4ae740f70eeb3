"""`python -m pippin` is the command `pippin`."""

from pippin.cli import main

main()
