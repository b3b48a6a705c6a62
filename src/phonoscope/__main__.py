"""Lets ``python -m phonoscope`` (and torchrun) start the command line."""

from phonoscope.cli import main

if __name__ == "__main__":
    main()
