"""Run the command line as `python -m ovquant`."""

from ovquant.cli import main

if __name__ == "__main__":
    main()
