"""``python -m nas``."""

from nas.commands.main import main

if __name__ == "__main__":
    main()
