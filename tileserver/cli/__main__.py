"""`python -m tileserver.cli`, the same as the command `overzoom`."""

from tileserver.cli.main import main

if __name__ == "__main__":
    main()
