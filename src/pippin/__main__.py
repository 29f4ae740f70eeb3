"""`python -m pippin` is the command `pippin`."""

from pippin.cli import main

if __name__ == "__main__":  # processes that read zones import this module under another name
    main()
